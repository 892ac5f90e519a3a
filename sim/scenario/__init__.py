"""Scenarios: ``load`` a TOML file (or a catalogue name) into a frozen ``Scenario``, every fault told at once."""

from __future__ import annotations

from sim.scenario.faults import ScenarioFaults
from sim.scenario.intake import load
from sim.scenario.model import Scenario

__all__ = ["Scenario", "ScenarioFaults", "load"]

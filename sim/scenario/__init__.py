"""Scenarios: ``load`` a TOML file (or a catalogue name) into a frozen ``Scenario``, all faults reported together."""

from __future__ import annotations

from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading.load import load
from sim.scenario.schema.scenario import Scenario

__all__ = ["Scenario", "ScenarioFaults", "load"]

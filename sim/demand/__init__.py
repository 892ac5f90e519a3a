"""The input of one replication: a ``Demand``, drawn by ``draw`` from the ``ExpectedDemand`` of a scenario."""

from __future__ import annotations

from sim.demand.ceilings import ceilings
from sim.demand.demand import CANDIDATE, CHASE, KINDS, REOPEN, ROOT, TASK, BotCandidates, Demand
from sim.demand.expected import ExpectedDemand, expected_demand_of
from sim.demand.sampling import draw, logins, onboarding, per_minute

__all__ = [
    "CANDIDATE",
    "CHASE",
    "KINDS",
    "REOPEN",
    "ROOT",
    "TASK",
    "BotCandidates",
    "Demand",
    "ExpectedDemand",
    "ceilings",
    "draw",
    "expected_demand_of",
    "logins",
    "onboarding",
    "per_minute",
]  # fmt: skip

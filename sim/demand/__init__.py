"""The input of one replication: a ``Demand``, drawn by ``draw`` from the ``ExpectedDemand`` of a scenario."""

from __future__ import annotations

from sim.demand.ceilings import candidates_exhausted, ceilings
from sim.demand.demand import CANDIDATE, CHASE, KINDS, REOPEN, ROOT, TASK, BotCandidates, Demand
from sim.demand.expected import ExpectedDemand, candidates_name, expected_demand_of
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
    "candidates_exhausted",
    "candidates_name",
    "ceilings",
    "draw",
    "expected_demand_of",
    "logins",
    "onboarding",
    "per_minute",
]  # fmt: skip

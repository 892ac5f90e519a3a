"""What one replication meets: a ``Demand``, which ``draw`` makes from the world's recipe; ``recipe_of`` writes that."""

from __future__ import annotations

from sim.demand.drawing import draw, logins
from sim.demand.recipe import Recipe, ceilings, recipe_of
from sim.demand.table import CANDIDATE, CHASE, KINDS, REOPEN, ROOT, BotCandidates, Demand, Flow

__all__ = [
    "CANDIDATE", "CHASE", "KINDS", "REOPEN", "ROOT", "BotCandidates", "Demand", "Flow", "Recipe", "ceilings", "draw",
    "logins", "recipe_of",
]  # fmt: skip

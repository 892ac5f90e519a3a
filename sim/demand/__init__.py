"""What one replication meets: a ``Demand``, which ``draw`` makes from the world's recipe; ``recipe_of`` writes that."""

from __future__ import annotations

from sim.demand.drawing import draw, logins, onboarding, per_minute
from sim.demand.recipe import Recipe, ceilings, recipe_of
from sim.demand.table import CANDIDATE, CHASE, KINDS, REOPEN, ROOT, TASK, BotCandidates, Demand

__all__ = [
    "CANDIDATE", "CHASE", "KINDS", "REOPEN", "ROOT", "TASK", "BotCandidates", "Demand", "Recipe", "ceilings",
    "draw", "logins", "onboarding", "per_minute", "recipe_of",
]  # fmt: skip

"""What one replication meets: a ``Demand``, which ``draw`` makes from the world's recipe; ``recipe_of`` writes that."""

from __future__ import annotations

from sim.demand.demand import CANDIDATE, CHASE, KINDS, REOPEN, ROOT, TASK, BotCandidates, Demand
from sim.demand.expected import Recipe, ceilings, recipe_of
from sim.demand.sampling import draw, logins, onboarding, per_minute

__all__ = [
    "CANDIDATE", "CHASE", "KINDS", "REOPEN", "ROOT", "TASK", "BotCandidates", "Demand", "Recipe", "ceilings",
    "draw", "logins", "onboarding", "per_minute", "recipe_of",
]  # fmt: skip

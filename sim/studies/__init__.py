"""Studies that a planner repeats: the gallery, the sweep of limits, the Bybit replay, the checklist of facts."""

"""Studies that a planner repeats: the gallery, limits, the Bybit replay, the checklist of facts, the answers."""

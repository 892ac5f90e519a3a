"""The live levels: one function of the minute, the same for every engine (see ``step``)."""

from __future__ import annotations

from sim.feedback.columns import (  # fmt: skip
    FLOAT_NAMES,
    INT_NAMES,
    LATE_STREAM,
    LEVEL_COLUMN,
    RAIL_NAMES,
    RUMOUR_STREAM,
    STREAMS,
)
from sim.feedback.inputs import Flow
from sim.feedback.parameters import Countries, Gateway, LevelRules, Limits, Mistake, Panic, Rail, Voice
from sim.feedback.state import Levels, levels_of, ran_out, tables_of
from sim.feedback.step import step, ticks

__all__ = [
    "FLOAT_NAMES", "INT_NAMES", "LATE_STREAM", "LEVEL_COLUMN", "RAIL_NAMES", "RUMOUR_STREAM", "STREAMS", "Countries",
    "Flow", "Gateway", "LevelRules", "Levels", "Limits", "Mistake", "Panic", "Rail", "Voice", "levels_of", "ran_out",
    "step", "tables_of", "ticks",
]  # fmt: skip

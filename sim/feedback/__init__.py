"""The live levels: one function of the minute, the same for every engine (see ``step``)."""

from __future__ import annotations

from sim.feedback.columns import (  # fmt: skip
    ADMISSION_COLUMN,
    FLOAT_NAMES,
    INT_NAMES,
    LATE_STREAM,
    RAIL_NAMES,
    RUMOUR_STREAM,
    STREAMS,
)
from sim.feedback.inputs import FeedbackInputs
from sim.feedback.parameters import (
    Countries,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    Mistake,
    Panic,
    RailParameters,
    Voice,
)
from sim.feedback.state import FeedbackState, exhausted, state_of, tables_of
from sim.feedback.step import step, ticks

__all__ = [
    "ADMISSION_COLUMN", "FLOAT_NAMES", "INT_NAMES", "LATE_STREAM", "RAIL_NAMES", "RUMOUR_STREAM", "STREAMS",
    "Countries", "FeedbackInputs", "FeedbackParameters", "FeedbackState", "GatewayParameters", "LimitParameters",
    "Mistake", "Panic", "RailParameters", "Voice", "exhausted", "state_of", "step", "tables_of", "ticks",
]  # fmt: skip

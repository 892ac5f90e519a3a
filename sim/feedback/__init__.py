"""The feedback levels: one step per minute, the same function for every engine (see ``step``)."""

from __future__ import annotations

from sim.feedback.columns import (
    ADMISSION_COLUMNS,
    FLOAT_NAMES,
    INT_NAMES,
    LATE_STREAM,
    RAIL_NAMES,
    RUMOUR_STREAM,
    STREAMS,
)  # fmt: skip
from sim.feedback.inputs import FeedbackInputs, WithdrawalRows
from sim.feedback.mechanisms.copies import CopiesParameters
from sim.feedback.mechanisms.panic import PanicParameters
from sim.feedback.mechanisms.rumour import RumourParameters
from sim.feedback.mechanisms.trust import TrustParameters
from sim.feedback.mechanisms.withdrawals import (
    GatewayParameters,
    LimitParameters,
    RailParameters,
    TicketsPerEvent,
)  # fmt: skip
from sim.feedback.parameters import FeedbackParameters
from sim.feedback.state import FeedbackState, exhausted, state_of, tables_of
from sim.feedback.step import step, ticks

__all__ = [
    "ADMISSION_COLUMNS", "FLOAT_NAMES", "INT_NAMES", "LATE_STREAM", "RAIL_NAMES", "RUMOUR_STREAM", "STREAMS",
    "CopiesParameters", "FeedbackInputs", "FeedbackParameters", "FeedbackState", "GatewayParameters",
    "LimitParameters", "PanicParameters", "RailParameters", "RumourParameters", "TicketsPerEvent", "TrustParameters",
    "WithdrawalRows",
    "exhausted", "state_of", "step", "tables_of", "ticks",
]  # fmt: skip

"""The numbers that move feedback, per minute, as a model makes them from its scenario: those of every mechanism."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.feedback.declaration import parameter
from sim.feedback.mechanisms.copies import CopiesParameters
from sim.feedback.mechanisms.panic import PanicParameters
from sim.feedback.mechanisms.rumour import RumourParameters
from sim.feedback.mechanisms.trust import TrustParameters
from sim.feedback.mechanisms.withdrawals import (
    NEVER_MINUTES,
    GatewayParameters,
    LimitParameters,
    RailParameters,
    TicketsPerEvent,
)


@dataclass(frozen=True, kw_only=True)
class FeedbackParameters:
    """All of it; what is left out does nothing. The kernel reads a mechanism's numbers as ``mechanism_number``."""

    rails: tuple[RailParameters, ...] = (RailParameters(),)
    reviews_per_minute: float = parameter(0.0, "withdrawals/min", "reviews done")
    promise_minutes: int = parameter(NEVER_MINUTES, "minutes", "after which a withdrawal that is not final is late")
    hold_minutes: int = parameter(1, "minutes", "for which a withdrawal is held")
    late_admitted_per_withdrawal: float = parameter(0.0, "share", "of candidates admitted for each late withdrawal")
    gateway: GatewayParameters = field(default_factory=GatewayParameters)
    limits: LimitParameters = field(default_factory=LimitParameters)
    barred: TicketsPerEvent = field(default_factory=TicketsPerEvent)
    wrong_address: TicketsPerEvent = field(default_factory=TicketsPerEvent)
    wrong_network: TicketsPerEvent = field(default_factory=TicketsPerEvent)
    rumour: RumourParameters = field(default_factory=RumourParameters)
    copies: CopiesParameters = field(default_factory=CopiesParameters)
    trust: TrustParameters = field(default_factory=TrustParameters)
    panic: PanicParameters = field(default_factory=PanicParameters)

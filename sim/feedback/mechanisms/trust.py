"""Trust: between 0 and 1, lost by each post, regained with time; distrust keeps newcomers away."""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.jit import inlined
from sim.feedback.declaration import EXOGENOUS, FLOATS, parameter, stream

TRUST = FLOATS.column("trust", "share", "trust in the platform", start=1.0)
TRUST_SHOCK = EXOGENOUS.column("trust_shock", "share", "change of trust from outside")
SIGNUP_STREAM, ADMITTED_SIGNUP = stream("signup", "newcomers who still sign up")


@dataclass(frozen=True, kw_only=True)
class TrustParameters:
    """How trust is lost and regained, and whom distrust keeps away."""

    recovery: float = parameter(0.0, "share/min", "share of the distrust that is made good in a minute")
    loss_per_post: float = parameter(0.0, "share/post", "share of the trust that a post costs")
    signup_weight: float = parameter(0.0, "share", "share of the newcomers that full distrust keeps away")


@inlined
def trust(lv, row, posts):  # type: ignore[no-untyped-def]
    """Write the trust after a minute's posts, and the share of newcomers who still sign up."""
    numbers, now = lv.numbers[0], lv.floats[row - 1, TRUST]
    now += (1.0 - now) * numbers.trust_recovery - now * numbers.trust_loss_per_post * posts
    lv.floats[row, TRUST] = min(max(now + lv.exogenous[TRUST_SHOCK, row - 1], 0.0), 1.0)
    lv.floats[row, ADMITTED_SIGNUP] = 1.0 - numbers.trust_signup_weight * (1.0 - lv.floats[row, TRUST])

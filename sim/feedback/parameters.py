"""The numbers that move the live levels, per minute, as a model makes them from its scenario."""

from __future__ import annotations

from dataclasses import dataclass

NEVER_MINUTES = 1 << 40
"""A delay that no run outlasts."""


@dataclass(frozen=True, kw_only=True)
class RailParameters:
    """One asset's way out: its payout line, its chain and its hot wallet (none when ``hot_cents`` is negative).

    With ``confirmations`` of 0 a payment is final ``final_minutes`` after it; otherwise when so many blocks, whose
    times are drawn, have followed. Below ``low_cents`` the wallet orders what it lacks to ``target_cents`` from the
    cold one; above ``high_cents`` it gives the rest to it.
    """

    payouts_per_minute: float = 0.0
    batch_minutes: int = 1
    confirmations: int = 0
    final_minutes: int = 0
    hot_cents: int = -1
    cold_cents: int = 0
    low_cents: int = 0
    target_cents: int = 0
    high_cents: int = 1 << 62


@dataclass(frozen=True, kw_only=True)
class GatewayParameters:
    """What the endpoints carry: the share of requests that fail at a load per minute, joined by straight lines; beyond
    the last point no more gets through than there. Without points everything does.

    Of those that fail, ``retry_share`` come again after ``retry_minutes``; the others give up.
    """

    loads_per_minute: tuple[float, ...] = ()
    error_shares: tuple[float, ...] = ()
    retry_share: float = 0.0
    retry_minutes: int = 1
    polls_per_open: float = 0.0
    level_per_gave_up: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LimitParameters:
    """Limits on single withdrawals: of all requests ``over_share``, with ``over_weight`` times the mean amount, exceed.

    They apply to the share of accounts that the tightness names: the market's, or 1 while a hot wallet is below
    ``hot_share`` of its target. Of those refused ``back_share`` come again after ``back_minutes``.
    """

    over_share: float = 0.0
    over_weight: float = 1.0
    hot_share: float = 0.0
    back_share: float = 0.0
    back_minutes: int = 1
    level_per_refusal: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Countries:
    """What the laws of customers' countries forbid, of all requests that the gateway lets pass.

    ``barred_share`` of them, with ``barred_weight`` times the mean amount, are refused and do not come again;
    ``breach_share`` are forbidden, too, and get past the check, each at the cost of ``cents_per_breach``.
    """

    barred_share: float = 0.0
    barred_weight: float = 1.0
    breach_share: float = 0.0
    cents_per_breach: int = 0
    level_per_barred: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A share of the confirmed withdrawals whose money goes astray, and the tickets that it opens."""

    share: float = 0.0
    level_per_mistake: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The public: each post, times its mark, adds ``copies`` further posts on average, fading with ``decay``.

    What nobody may answer, and its copies, fade with ``unanswered_decay``. ``background``, ``campaign`` and ``copy``
    are the complaints' worth of rumour in one such post. Trust lies between 0 and 1; distrust d keeps ``signup_weight``
    d of the newcomers away.
    """

    copies: float = 0.0
    decay: float = 0.0
    unanswered_decay: float = 0.0
    background: float = 0.0
    campaign: float = 0.0
    copy: float = 0.0
    trust_recovery: float = 0.0
    trust_loss_per_post: float = 0.0
    signup_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Panic:
    """Depositors who run: each spreader frightens ``spread`` others a minute while all are calm, and is one for
    ``1 / calm`` minutes on average; the rumour above its threshold frightens ``per_rumour`` a minute for each
    complaint's worth. Distrust d multiplies both by 1 + ``distrust_weight`` d.
    """

    depositors: int = 0
    spread: float = 0.0
    calm: float = 0.0
    per_rumour: float = 0.0
    distrust_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FeedbackParameters:
    """All of it; what is left out does nothing."""

    rails: tuple[RailParameters, ...] = (RailParameters(),)
    reviews_per_minute: float = 0.0
    promise_minutes: int = NEVER_MINUTES
    drop_share: float = 0.0
    held_share: float = 0.0
    hold_minutes: int = 1
    late_level_per_withdrawal: float = 0.0
    rumour_decay: float = 0.0
    rumour_threshold: float = 0.0
    rumour_level_per_complaint: float = 0.0
    gateway: GatewayParameters = GatewayParameters()
    countries: Countries = Countries()
    limits: LimitParameters = LimitParameters()
    wrong_address: Mistake = Mistake()
    wrong_network: Mistake = Mistake()
    voice: Voice = Voice()
    panic: Panic = Panic()

"""A scenario to the parameters of its feedback: from hours and dollars to minutes and cents."""

from __future__ import annotations

from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.demand.withdrawals import depositors_of
from sim.feedback import (
    CopiesParameters,
    Countries,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    Mistake,
    PanicParameters,
    RailParameters,
    RumourParameters,
    TrustParameters,
)
from sim.numerics.lognormal import exceeding
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Jurisdiction, Withdrawals, WrongAddress

_MINUTES_PER_HOUR = HOUR_MS // MINUTE_MS


def feedback_parameters_of(scenario: Scenario) -> FeedbackParameters | None:
    """Return the feedback parameters of a scenario, or None without a feedback level in use (and no minute clock)."""
    if not any((scenario.withdrawals, scenario.rumour, scenario.copies, scenario.run, _signup_weight(scenario))):
        return None
    parameters: dict[str, object] = {
        "rumour": _rumour(scenario),
        "copies": _copies(scenario),
        "trust": _trust(scenario),
        "panic": _panic(scenario),
    }
    if scenario.withdrawals:
        parameters |= _money(scenario, scenario.withdrawals)
    return FeedbackParameters(**parameters)  # type: ignore[arg-type]


def _money(scenario: Scenario, money: Withdrawals) -> dict[str, object]:
    mistakes = money.mistakes
    return {
        "rails": tuple(_rail(money, name) for name in money.assets),
        "reviews_per_minute": money.reviews_per_hour / _MINUTES_PER_HOUR,
        "promise_minutes": _minutes(money.promise),
        "drop_share": money.drop_share,
        "held_share": money.held_share,
        "hold_minutes": _minutes(money.hold),
        "late_level_per_withdrawal": money.late_tickets_per_hour / money.late_ceiling_per_hour,
        "gateway": _gateway(scenario),
        "countries": _countries(money),
        "limits": _limits(money),
        "wrong_address": _mistake(mistakes.address if mistakes else None),
        "wrong_network": _mistake(mistakes.network if mistakes else None),
    }


def _minutes(ms: int) -> int:
    return max(ms // MINUTE_MS, 1)


def _rail(money: Withdrawals, name: str) -> RailParameters:
    share, own = money.assets[name], money.rails.get(name)
    payouts, final = money.payouts_per_minute * share, _minutes(money.confirmation)
    if own is None:
        return RailParameters(payouts_per_minute=payouts, final_minutes=final)
    rail: dict[str, int] = {}
    if own.wallet:
        hot = round(own.wallet.hot_usd * 100)
        rail = {
            "hot_cents": hot,
            "target_cents": hot,
            "cold_cents": round(own.wallet.cold_usd * 100),
            "low_cents": round(hot * own.wallet.low_share),
            "high_cents": round(hot * own.wallet.high_share),
        }
    return RailParameters(
        payouts_per_minute=own.payouts_per_minute or payouts,
        batch_minutes=_minutes(own.batch),
        confirmations=own.confirmations,
        final_minutes=final,
        **rail,
    )


def _gateway(scenario: Scenario) -> GatewayParameters:
    gateway, readers = scenario.gateway, scenario.readers
    if gateway is None:
        return GatewayParameters()
    return GatewayParameters(
        loads_per_minute=tuple(60.0 * load for load in gateway.loads_per_s),
        error_shares=tuple(gateway.error_shares),
        retry_share=gateway.retry_share,
        retry_minutes=_minutes(gateway.retry_after),
        polls_per_open=readers.poll_share * MINUTE_MS / readers.poll_every if readers else 0.0,
        level_per_gave_up=gateway.tickets_per_failure * _MINUTES_PER_HOUR / gateway.ceiling_per_hour,
    )


def _mistake(one: WrongAddress | None) -> Mistake:
    if one is None:
        return Mistake()
    return Mistake(share=one.share, level_per_mistake=_MINUTES_PER_HOUR / one.ceiling_per_hour)


def _above(money: Withdrawals, limit_usd: float) -> tuple[float, float]:
    """Return the shares, of all withdrawals and of all their money, in those above a limit."""
    return exceeding(limit_usd, mean=money.amount_mean_usd, cv=money.amount_cv)


def _forbidden(one: Jurisdiction, money: Withdrawals, above_usd: float = 0.0) -> tuple[float, float]:
    """Return the shares, of a country's withdrawals and their money, that it forbids and that lie above an amount."""
    if one.rule == "allowed":
        return 0.0, 0.0
    return _above(money, max(above_usd, one.limit_usd or 0.0))


def _passing(money: Withdrawals, above_usd: float = 0.0) -> tuple[float, float]:
    """Return the shares, of all withdrawals and their money, that pass the countries and lie above an amount."""
    count, cents = _above(money, above_usd)
    for one in money.jurisdictions.values():
        forbidden = _forbidden(one, money, above_usd)
        barred = one.share * (1 - one.breach_share)
        count, cents = count - barred * forbidden[0], cents - barred * forbidden[1]
    return count, cents


def _countries(money: Withdrawals) -> Countries:
    count, cents = _passing(money)
    breaches = [
        (one.share * one.breach_share * _forbidden(one, money)[0], one.breach_cost_usd)
        for one in money.jurisdictions.values()
    ]
    breach_share, cost = sum(share for share, _ in breaches), sum(share * usd for share, usd in breaches)
    tickets = money.barred
    return Countries(
        barred_share=1 - count,
        barred_weight=(1 - cents) / (1 - count) if count < 1 else 1.0,
        breach_share=breach_share,
        cents_per_breach=round(cost / breach_share * 100) if breach_share else 0,
        level_per_barred=tickets.tickets_per_refusal * _MINUTES_PER_HOUR / tickets.ceiling_per_hour if tickets else 0.0,
    )


def _limits(money: Withdrawals) -> LimitParameters:
    limits = money.limits
    if limits is None:
        return LimitParameters()
    (count, cents), passing = _passing(money, limits.amount_usd), _passing(money)
    return LimitParameters(
        over_share=count / passing[0] if passing[0] > 0 else 0.0,
        over_weight=(cents / count) / (passing[1] / passing[0]) if count > 0 else 1.0,
        hot_share=limits.hot_share,
        back_share=limits.back_share,
        back_minutes=_minutes(limits.back_after),
        level_per_refusal=limits.tickets_per_refusal * _MINUTES_PER_HOUR / limits.ceiling_per_hour,
    )


def _signup_weight(scenario: Scenario) -> float:
    return scenario.newcomers.trust_weight if scenario.newcomers else 0.0


def _rumour(scenario: Scenario) -> RumourParameters:
    rumour = scenario.rumour
    if rumour is None:
        return RumourParameters()
    return RumourParameters(
        decay=0.5 ** (MINUTE_MS / rumour.half_life),
        threshold=rumour.threshold,
        level_per_complaint=rumour.tickets_per_hour / rumour.ceiling_per_hour,
        background=rumour.background_weight,
        campaign=rumour.campaign_weight,
        copied=rumour.copy_weight,
    )


def _copies(scenario: Scenario) -> CopiesParameters:
    copies = scenario.copies
    if copies is None:
        return CopiesParameters()
    return CopiesParameters(
        per_post=copies.per_post,
        decay=0.5 ** (MINUTE_MS / copies.half_life),
        unanswered_decay=0.5 ** (MINUTE_MS / copies.unanswered_half_life),
    )


def _trust(scenario: Scenario) -> TrustParameters:
    trust = scenario.trust
    if trust is None:
        return TrustParameters()
    return TrustParameters(
        recovery=1 - 0.5 ** (MINUTE_MS / trust.half_life),
        loss_per_post=trust.loss_per_post,
        signup_weight=_signup_weight(scenario),
    )


def _panic(scenario: Scenario) -> PanicParameters:
    run, people = scenario.run, scenario.population
    if run is None or people is None:
        return PanicParameters()
    calm = MINUTE_MS / run.fright
    return PanicParameters(
        depositors=depositors_of(scenario),
        spread=run.contacts * calm,
        calm=calm,
        per_rumour=run.frightened_per_hour / _MINUTES_PER_HOUR,
        distrust_weight=scenario.trust.distrust_weight if scenario.trust else 0.0,
    )

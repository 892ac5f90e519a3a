"""A scenario to the parameters of its feedback: from hours and dollars to minutes and cents."""

from __future__ import annotations

from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.demand.ceilings import ceilings
from sim.demand.public import depositors_of
from sim.feedback import (
    STREAMS,
    CopiesParameters,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    PanicParameters,
    RailParameters,
    RumourParameters,
    TicketsPerEvent,
    TrustParameters,
)
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Withdrawals

_MINUTES_PER_HOUR = HOUR_MS // MINUTE_MS


def feedback_parameters_of(scenario: Scenario) -> FeedbackParameters | None:
    """Return the feedback parameters of a scenario, or None without a feedback level in use (and no minute clock)."""
    if not any((scenario.withdrawals, scenario.rumour, scenario.copies, scenario.run, _signup_weight(scenario))):
        return None
    ceiling = {STREAMS[number]: per_hour for number, _, per_hour in ceilings(scenario)}
    parameters: dict[str, object] = {
        "rumour": _rumour(scenario, ceiling),
        "copies": _copies(scenario),
        "trust": _trust(scenario),
        "panic": _panic(scenario),
    }
    if scenario.withdrawals:
        parameters |= _withdrawals(scenario, scenario.withdrawals, ceiling)
    return FeedbackParameters(**parameters)  # type: ignore[arg-type]


def _withdrawals(scenario: Scenario, withdrawals: Withdrawals, ceiling: dict[str, float]) -> dict[str, object]:
    mistakes, barred = withdrawals.mistakes, withdrawals.barred
    return {
        "rails": tuple(_rail(withdrawals, name) for name in withdrawals.assets),
        "reviews_per_minute": withdrawals.reviews_per_hour / _MINUTES_PER_HOUR,
        "promise_minutes": _minutes(withdrawals.promise),
        "hold_minutes": _minutes(withdrawals.hold),
        "late_admitted_per_withdrawal": withdrawals.late_tickets_per_hour / ceiling["late"],
        "gateway": _gateway(scenario, ceiling.get("fault", 1.0)),
        "limits": _limits(withdrawals, ceiling.get("limited", 1.0)),
        "barred": _tickets(barred.tickets_per_refusal, ceiling["barred"]) if barred else TicketsPerEvent(),
        "wrong_address": _tickets(1.0, ceiling["address"]) if mistakes and mistakes.address else TicketsPerEvent(),
        "wrong_network": _tickets(1.0, ceiling["network"]) if mistakes and mistakes.network else TicketsPerEvent(),
    }


def _minutes(ms: int) -> int:
    return max(ms // MINUTE_MS, 1)


def _rail(withdrawals: Withdrawals, name: str) -> RailParameters:
    share, own = withdrawals.assets[name], withdrawals.rails.get(name)
    payouts, final = withdrawals.payouts_per_minute * share, _minutes(withdrawals.confirmation)
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


def _gateway(scenario: Scenario, ceiling_per_hour: float) -> GatewayParameters:
    gateway, readers, mfa = scenario.gateway, scenario.readers, scenario.mfa
    if gateway is None:
        return GatewayParameters()
    return GatewayParameters(
        loads_per_minute=tuple(60.0 * load for load in gateway.loads_per_s),
        error_shares=tuple(gateway.error_shares),
        retry_share=gateway.retry_share,
        retry_minutes=_minutes(gateway.retry_after),
        codes_per_request=1.0 / (1.0 - mfa.failure_share) if mfa else 0.0,
        polls_per_open=readers.poll_share * MINUTE_MS / readers.poll_every if readers else 0.0,
        views_per_open=MINUTE_MS / readers.view_every if readers else 0.0,
        admitted_per_gave_up=_tickets(gateway.tickets_per_failure, ceiling_per_hour).admitted,
    )


def _tickets(per_event: float, ceiling_per_hour: float) -> TicketsPerEvent:
    """Return the tickets of an event as a share of the candidates of a minute."""
    return TicketsPerEvent(admitted=per_event * _MINUTES_PER_HOUR / ceiling_per_hour)


def _limits(withdrawals: Withdrawals, ceiling_per_hour: float) -> LimitParameters:
    limits = withdrawals.limits
    if limits is None:
        return LimitParameters()
    return LimitParameters(
        cents=round(limits.amount_usd * 100),
        hot_share=limits.hot_share,
        back_share=limits.back_share,
        back_minutes=_minutes(limits.back_after),
        admitted_per_refusal=_tickets(limits.tickets_per_refusal, ceiling_per_hour).admitted,
    )


def _signup_weight(scenario: Scenario) -> float:
    return scenario.newcomers.trust_weight if scenario.newcomers else 0.0


def _rumour(scenario: Scenario, ceiling: dict[str, float]) -> RumourParameters:
    rumour = scenario.rumour
    if rumour is None:
        return RumourParameters()
    return RumourParameters(
        decay=0.5 ** (MINUTE_MS / rumour.half_life),
        threshold=rumour.threshold,
        admitted_per_complaint=rumour.tickets_per_hour / ceiling["rumour"],
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

"""A scenario to the rules of its live levels: from hours and dollars to minutes and cents."""

from __future__ import annotations

from sim.amounts import exceeding
from sim.clock import HOUR_MS, MINUTE_MS
from sim.demand.money import depositors_of
from sim.levels import Gateway, LevelRules, Limits, Panic, Rail, Voice
from sim.scenario.model import Scenario
from sim.scenario.money import Withdrawals

_MINUTES_PER_HOUR = HOUR_MS // MINUTE_MS


def rules_of(scenario: Scenario) -> LevelRules | None:
    """Return the level rules of a scenario, or None when no live level is in use and no minute clock runs."""
    if not any((scenario.withdrawals, scenario.rumour, scenario.copies, scenario.run)):
        return None
    rules: dict[str, object] = {"voice": _voice(scenario), "panic": _panic(scenario)}
    if scenario.withdrawals:
        rules |= _money(scenario, scenario.withdrawals)
    if scenario.rumour:
        rumour = scenario.rumour
        rules |= {
            "rumour_decay": 0.5 ** (MINUTE_MS / rumour.half_life),
            "rumour_threshold": rumour.threshold,
            "rumour_level_per_complaint": rumour.tickets_per_hour / rumour.ceiling_per_hour,
        }
    return LevelRules(**rules)  # type: ignore[arg-type]


def _money(scenario: Scenario, money: Withdrawals) -> dict[str, object]:
    rules: dict[str, object] = {
        "rails": tuple(_rail(money, name) for name in money.assets),
        "reviews_per_minute": money.reviews_per_hour / _MINUTES_PER_HOUR,
        "promise_minutes": _minutes(money.promise),
        "drop_share": money.drop_share,
        "held_share": money.held_share,
        "hold_minutes": _minutes(money.hold),
        "late_level_per_withdrawal": money.late_tickets_per_hour / money.late_ceiling_per_hour,
        "gateway": _gateway(scenario),
        "limits": _limits(money),
    }
    if money.mistakes:
        per_minute = money.mistakes.ceiling_per_hour / _MINUTES_PER_HOUR
        rules["mistake_level_per_withdrawal"] = money.mistakes.share / per_minute
    return rules


def _minutes(ms: int) -> int:
    return max(ms // MINUTE_MS, 1)


def _rail(money: Withdrawals, name: str) -> Rail:
    share, own = money.assets[name], money.rails.get(name)
    payouts, final = money.payouts_per_minute * share, _minutes(money.confirmation)
    if own is None:
        return Rail(payouts_per_minute=payouts, final_minutes=final)
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
    return Rail(
        payouts_per_minute=own.payouts_per_minute or payouts,
        batch_minutes=_minutes(own.batch),
        confirmations=own.confirmations,
        final_minutes=final,
        **rail,
    )


def _gateway(scenario: Scenario) -> Gateway:
    gateway, readers = scenario.gateway, scenario.readers
    if gateway is None:
        return Gateway()
    return Gateway(
        loads_per_minute=tuple(60.0 * load for load in gateway.loads_per_s),
        error_shares=tuple(gateway.error_shares),
        retry_share=gateway.retry_share,
        retry_minutes=_minutes(gateway.retry_after),
        polls_per_open=readers.poll_share * MINUTE_MS / readers.poll_every if readers else 0.0,
        level_per_gave_up=gateway.tickets_per_failure * _MINUTES_PER_HOUR / gateway.ceiling_per_hour,
    )


def _limits(money: Withdrawals) -> Limits:
    limits = money.limits
    if limits is None:
        return Limits()
    count, sum_ = exceeding(limits.amount_usd, mean=money.amount_mean_usd, cv=money.amount_cv)
    return Limits(
        over_share=count,
        over_weight=sum_ / count if count else 1.0,
        hot_share=limits.hot_share,
        back_share=limits.back_share,
        back_minutes=_minutes(limits.back_after),
        level_per_refusal=limits.tickets_per_refusal * _MINUTES_PER_HOUR / limits.ceiling_per_hour,
    )


def _voice(scenario: Scenario) -> Voice:
    copies, rumour, trust = scenario.copies, scenario.rumour, scenario.trust
    voice: dict[str, float] = {}
    if copies:
        voice |= {
            "copies": copies.per_post,
            "decay": 0.5 ** (MINUTE_MS / copies.half_life),
            "unanswered_decay": 0.5 ** (MINUTE_MS / copies.unanswered_half_life),
        }
    if rumour:
        voice |= {
            "background": rumour.background_weight,
            "campaign": rumour.campaign_weight,
            "copy": rumour.copy_weight,
        }
    if trust:
        voice |= {
            "trust_recovery": 1 - 0.5 ** (MINUTE_MS / trust.half_life),
            "trust_loss_per_post": trust.loss_per_post,
        }
    return Voice(**voice)


def _panic(scenario: Scenario) -> Panic:
    run, people = scenario.run, scenario.population
    if run is None or people is None:
        return Panic()
    calm = MINUTE_MS / run.fright
    return Panic(
        depositors=depositors_of(scenario),
        spread=run.contacts * calm,
        calm=calm,
        per_rumour=run.frightened_per_hour / _MINUTES_PER_HOUR,
        distrust_weight=scenario.trust.distrust_weight if scenario.trust else 0.0,
    )

"""A scenario's hours, shares and dollars as the kernel's minutes, marks and cents: one row a key, worked out by hand.

The base is a world of round numbers; a row sets one key and says what the kernel, or what is drawn for it, then has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel

from sim.core.clock import MINUTE_MS
from sim.core.lazy import lazy_property
from sim.demand import Demand, ExpectedDemand, ceilings, draw
from sim.feedback import FeedbackParameters
from sim.feedback.columns import (
    BOOST,
    BOOST_UNANSWERED,
    CONTAGION,
    MARKET_TIGHTNESS,
    STREAMS,
    TICKETS_CLOSED,
    TRUST_SHOCK,
)
from sim.model.model import Model, build
from sim.scenario.loading.load import from_resolved
from sim.scenario.schema import durations
from sim.scenario.schema.scenario import Scenario
from tests.support.stories import category, fixed

DAY = 1440
"""Minutes of the warm-up, from whose end a scenario's times count."""
ABOVE_100 = NormalDist().cdf((log(500) - log(2) / 2 - log(100)) / sqrt(log(2)))
"""The share of lognormal amounts of mean 500 and variation 1 above 100."""
BASE: dict[str, Any] = {
    "title": "round numbers",
    "days": 1,
    "warmup_days": 1,
    # 20,000 x 0.1 = 2,000 active users; 2,000 x 0.72 = 1,440 withdrawals a day, one a minute.
    "population": {
        "registered": 20_000, "mau_share": 0.1, "tickets_per_mau_day": 0, "withdrawals_per_mau_day": 0.72,
    },
    "categories": {
        "howto": category(6.0), "money": category(6.0),
        "papers": {"task": True, "steps": {"review": {"queue": "inbox", "handle": fixed("10 min")}}},
    },
    "teams": {"front": {"serves": ["inbox"], "agents": 2}},
    "shocks": {"crash": {"at": "6 h", "length": "1 h", "withdrawals": 3.0}},
    "withdrawals": {
        "payouts_per_minute": 10, "review_share": 0.1, "reviews_per_hour": 60, "held_share": 0.1, "hold": "1 h",
        "drop_share": 0.1, "confirmation": "1 min", "promise": "1 h", "late_tickets_per_hour": 1,
        "late_category": "money", "late_ceiling_per_hour": 10, "amount_mean_usd": 500, "amount_cv": 1,
        "assets": {"BTC": 0.4, "USDT": 0.6},
        "rails": {"BTC": {"confirmations": 1, "block_time": "10 min", "wallet": {
            "hot_usd": 1000, "cold_usd": 2000, "low_share": 0.5, "high_share": 2, "deposits_share": 1,
            "refill": fixed("1 h"),
        }}},
        "limits": {
            "amount_usd": 100, "stress_from": 2, "stress_to": 6, "back_share": 0.1, "back_after": "1 h",
            "tickets_per_refusal": 1, "category": "money", "ceiling_per_hour": 60,
        },
        "jurisdictions": {
            "home": {"share": 0.7, "rule": "allowed"},
            "strict": {"share": 0.2, "rule": "limited", "limit_usd": 100},
            "closed": {"share": 0.1, "rule": "banned"},
        },
        "barred": {"tickets_per_refusal": 1, "category": "money", "ceiling_per_hour": 60},
        "mistakes": {
            "address": {"share": 0.1, "category": "money", "ceiling_per_hour": 60},
            "network": {"share": 0.1, "category": "money", "ceiling_per_hour": 60, "recovered_share": 0.5},
        },
        "pauses": {"one": {"at": "1 h", "length": "1 h"}},
        "congestion": {"one": {"at": "1 h", "length": "1 h", "factor": 2}},
    },
    "gateway": {
        "loads_per_s": [1, 2], "error_shares": [0, 0.5], "retry_share": 0.1, "retry_after": "1 min",
        "tickets_per_failure": 1, "category": "money", "ceiling_per_hour": 60,
    },
    "readers": {"poll_every": "1 min", "poll_share": 1, "view_every": "1 min"},
    "mfa": {"failure_share": 0},
    "rumour": {
        "half_life": "1 h", "threshold": 1, "tickets_per_hour": 1, "category": "money", "ceiling_per_hour": 10,
    },
    "copies": {"per_post": 0.1, "half_life": "1 h", "unanswered_half_life": "1 h", "mark_tail": 3},
    "trust": {
        "half_life": "1 h", "loss_per_post": 0.1, "distrust_weight": 1, "events": {"one": {"at": "1 h", "change": 0.1}},
    },
    "newcomers": {
        "industry_per_day": 100, "platform_share": 0.1, "kyc_share": 0.5, "kyc_delay": "1 h", "deposit_share": 0.5,
        "deposit_delay": "1 h", "review_share": 0.5, "review_category": "papers",
    },
    "amplification": {"one": {"at": "1 h", "mark": 1}},
    "run": {
        "depositors_share": 1, "contacts": 1, "fright": "1 h", "frightened_per_hour": 1, "amount_mean_usd": 500,
        "amount_cv": 1, "shocks": {"one": {"at": "1 h", "length": "1 h", "frightened": 60}},
    },
    "incidents": {"works": {"at": "12 h", "length": "1 h", "catch_up": "1 h"}},
    "campaigns": {"wave": {"at": "1 h", "length": "1 h", "posts": 0}},
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """What a scenario becomes: the kernel's numbers, and what is drawn for it."""

    model: Model

    @property
    def scenario(self) -> Scenario:
        return self.model.scenario

    @property
    def parameters(self) -> FeedbackParameters:
        assert self.model.parameters is not None
        return self.model.parameters

    @property
    def demand(self) -> ExpectedDemand:
        return self.model.expected_demand

    @lazy_property
    def drawn(self) -> Demand:
        return draw(self.demand, seed=1, replication=0)

    def minutes(self, line: int) -> dict[int, float]:
        """Return by minute since the warm-up what an exogenous line has there, unless it is 0."""
        values = self.demand.withdrawals.exogenous[line]
        return {int(at) - DAY: float(values[at]) for at in np.flatnonzero(values)}

    def ceiling(self, stream: str) -> list[tuple[str, float]]:
        """Return category and ceiling of a stream of candidates."""
        return [(name, most) for number, name, most in ceilings(self.scenario) if STREAMS[number] == stream]


def changed(key: str, value: Any) -> Kernel:
    """Return what the base becomes with one key set."""
    tables = deepcopy(BASE)
    *folders, last = key.split(".")
    inner = tables
    for folder in folders:
        inner = inner.setdefault(folder, {})
    inner[last] = value
    return Kernel(build(from_resolved(tables)))


def span(first: int, last: int, value: float) -> dict[int, float]:
    """Return a value for each minute from the first to before the last."""
    return dict.fromkeys(range(first, last), value)


def law(key: str) -> Callable[[Kernel], Any]:
    """Return what looks a number of the law of requests up."""
    return lambda k: np.asarray(getattr(k.demand.withdrawals.law, key)).tolist()


def parameter(key: str) -> Callable[[Kernel], Any]:
    """Return what looks a number of the kernel up, by its path."""

    def found(kernel: Kernel) -> Any:
        value: Any = kernel.parameters
        for part in key.split("."):
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        return value

    return found


def blocks(kernel: Kernel) -> list[float]:
    """Return the blocks of Bitcoin expected in the minutes 59, 60, 119 and 120 after the warm-up."""
    ((rail, cum),) = kernel.demand.withdrawals.chains
    assert rail == 0
    return [cum[DAY + at + 1] - cum[DAY + at] for at in (59, 60, 119, 120)]


def closed(kernel: Kernel) -> list[list[int]]:
    """Return by rail the first and the last minute, since the warm-up, in which nothing is paid; empty for none."""
    found = [np.flatnonzero(rail) - DAY for rail in kernel.demand.withdrawals.closed]
    assert all(len(at) == at[-1] - at[0] + 1 for at in found if len(at))
    return [[int(at[0]), int(at[-1])] if len(at) else [] for at in found]


def expected(*at: int) -> Callable[[Kernel], list[float]]:
    """Return what says how many withdrawals are expected in minutes since the warm-up."""
    return lambda k: [k.demand.withdrawals.per_minute[DAY + minute] for minute in at]


def money(of: str) -> Callable[[Kernel], tuple[float, float]]:
    """Return what gives the mean of an amount, in US dollars, and its coefficient of variation."""

    def moments(kernel: Kernel) -> tuple[float, float]:
        amounts = getattr(kernel.demand.withdrawals, of).amounts
        return exp(amounts.mu + amounts.sigma**2 / 2) / 100, sqrt(exp(amounts.sigma**2) - 1)

    return moments


def after(minutes: int, path: str) -> Callable[[Kernel], float]:
    """Return what is left after so many minutes of a number that leaves its share each minute."""
    return lambda k: parameter(path)(k) ** minutes


def refused_ticks(kernel: Kernel) -> tuple[list[int], set[int]]:
    """Return the first and the last tick, since the warm-up, whose requests are put off, and to which ticks."""
    ticks = kernel.demand.withdrawals.request_tick
    late = np.flatnonzero(ticks != np.arange(len(ticks)))
    return ([int(late[0]) - DAY, int(late[-1]) - DAY] if len(late) else []), {int(ticks[at]) - DAY for at in late}


W, R, L = "withdrawals", "withdrawals.rails.BTC", "withdrawals.limits"
B = "withdrawals.rails.BTC.wallet"
ROWS: list[tuple[str, Any, Callable[[Kernel], Any], Any]] = [
    # --- population
    ("population.registered", 40_000, expected(0), [2.0]),  # 40,000 x 0.1 x 0.72 / 1440
    ("population.mau_share", 0.3, expected(0), [3.0]),
    ("population.withdrawals_per_mau_day", 0.36, expected(0), [0.5]),
    ("shocks.crash.withdrawals", 5.0, expected(359, 360, 419, 420), [1.0, 5.0, 5.0, 1.0]),
    # --- withdrawals
    (f"{W}.payouts_per_minute", 20, lambda k: [r.payouts_per_minute for r in k.parameters.rails], [8.0, 12.0]),
    (f"{W}.review_share", 0.25, lambda k: set(k.demand.withdrawals.review), {0.25}),
    (f"{W}.reviews_per_hour", 90, parameter("reviews_per_minute"), 1.5),
    (f"{W}.held_share", 0.3, law("held"), 0.3),
    (f"{W}.hold", "36 h", parameter("hold_minutes"), 36 * 60),
    (f"{W}.drop_share", 0.05, law("drop"), 0.05),
    (f"{W}.confirmation", "7 min", lambda k: [r.final_minutes for r in k.parameters.rails], [7, 7]),
    (f"{W}.promise", "45 min", parameter("promise_minutes"), 45),
    (f"{W}.late_tickets_per_hour", 3, parameter("late_admitted_per_withdrawal"), 3 / 10),
    (f"{W}.late_ceiling_per_hour", 40, parameter("late_admitted_per_withdrawal"), 1 / 40),
    (f"{W}.late_ceiling_per_hour", 40, lambda k: k.ceiling("late"), [("money", 40)]),
    # 60 an hour, all of which are late for the hour of the promise, at 3 tickets an hour each; rumour at twice its 4.
    (
        W, BASE[W] | {"late_tickets_per_hour": 3, "late_ceiling_per_hour": None},
        lambda k: (k.ceiling("late"), parameter("late_admitted_per_withdrawal")(k)), ([("money", 180)], 3 / 180),
    ),
    (f"{W}.promise", "2 h", lambda k: k.ceiling("late"), [("money", 10)]),
    (f"{W}.late_category", "howto", lambda k: k.ceiling("late"), [("howto", 10)]),
    (f"{W}.amount_mean_usd", 800, money("law"), (800, 1)),
    (f"{W}.amount_cv", 3, money("law"), (500, 3)),
    (f"{W}.amount_cv", 1, lambda k: k.demand.withdrawals.law.amounts.sigma, sqrt(log(2))),
    (f"{W}.assets", {"BTC": 0.25, "USDT": 0.75}, law("edges"), [0.25]),
    # --- rails and wallets; of a float's cents a part may be missing: 1234.35 x 100 is a little less than 123,435
    (f"{R}.payouts_per_minute", 7, lambda k: [r.payouts_per_minute for r in k.parameters.rails], [7.0, 6.0]),
    (f"{R}.batch", "5 min", lambda k: [r.batch_minutes for r in k.parameters.rails], [5, 1]),
    (f"{R}.confirmations", 3, lambda k: [r.confirmations for r in k.parameters.rails], [3, 0]),
    (f"{R}.block_time", "20 min", blocks, [1 / 20, 1 / 40, 1 / 40, 1 / 20]),  # half as many in the congestion
    (f"{B}.hot_usd", 1234.35, lambda k: [r.hot_cents for r in k.parameters.rails], [123_435, -1]),
    (f"{B}.hot_usd", 1234.35, parameter("rails.0.target_cents"), 123_435),
    (f"{B}.cold_usd", 64.35, lambda k: [r.cold_cents for r in k.parameters.rails], [6_435, 0]),
    (f"{B}.low_share", 0.25, parameter("rails.0.low_cents"), 25_000),  # of 100,000
    (f"{B}.high_share", 1.5, parameter("rails.0.high_cents"), 150_000),
    # One a minute, 0.4 of them Bitcoin, of 50,000 cents: 20,000 leave, a half of which is paid in.
    (f"{B}.deposits_share", 0.5, lambda k: k.drawn.inputs.deposits[:, [0, 1, 2000]].tolist(), [[10_000] * 3, [0] * 3]),
    (f"{B}.refill", fixed("3 h"), lambda k: [set(rail) for rail in k.drawn.inputs.refill_minutes], [{180}, {1}]),
    # --- limits
    (f"{L}.amount_usd", 1128.35, parameter("limits.cents"), 112_835),
    (f"{L}.amount_usd", 1128.35, law("limit_cents"), 112_835),
    # The shock's factor of 3 lies a quarter of the way from 2 to 6.
    (f"{L}.stress_from", 2, lambda k: k.minutes(MARKET_TIGHTNESS), span(360, 420, 0.25)),
    (f"{L}.stress_from", 1.5, lambda k: k.minutes(MARKET_TIGHTNESS), span(360, 420, 1.5 / 4.5)),
    (f"{L}.stress_to", 4, lambda k: k.minutes(MARKET_TIGHTNESS), span(360, 420, 0.5)),
    (f"{L}.hot_share", 0.3, parameter("limits.hot_share"), 0.3),
    (f"{L}.back_share", 0.6, parameter("limits.back_share"), 0.6),
    (f"{L}.back_after", "90 min", parameter("limits.back_minutes"), 90),
    (f"{L}.tickets_per_refusal", 0.2, parameter("limits.admitted_per_refusal"), 0.2),  # of one candidate a minute
    (f"{L}.ceiling_per_hour", 30, parameter("limits.admitted_per_refusal"), 2.0),
    (f"{L}.ceiling_per_hour", 30, lambda k: k.ceiling("limited"), [("money", 30)]),
    (f"{L}.category", "howto", lambda k: k.ceiling("limited"), [("howto", 60)]),
    # --- jurisdictions
    (
        f"{W}.jurisdictions", {"a": {"share": 0.3, "rule": "allowed"}, "b": {"share": 0.7, "rule": "banned"}},
        law("countries"), [0.3, 1.0],
    ),
    (f"{W}.jurisdictions.closed.rule", "allowed", law("lawful_cents"), [1 << 62, 10_000, 1 << 62]),
    (f"{W}.jurisdictions.closed.rule", "banned", law("lawful_cents"), [1 << 62, 10_000, 0]),
    (f"{W}.jurisdictions.strict.limit_usd", 99.99, law("lawful_cents"), [1 << 62, 9_999, 0]),
    (f"{W}.jurisdictions.strict.breach_share", 0.25, law("breach"), [0, 0.25, 0]),
    (f"{W}.jurisdictions.closed.breach_cost_usd", 1040.35, law("breach_cents"), [0, 0, 104_035]),
    (f"{W}.barred.tickets_per_refusal", 0.05, parameter("barred.admitted"), 0.05),
    (f"{W}.barred.ceiling_per_hour", 120, parameter("barred.admitted"), 0.5),
    (f"{W}.barred.ceiling_per_hour", 120, lambda k: k.ceiling("barred"), [("money", 120)]),
    (f"{W}.barred.category", "howto", lambda k: k.ceiling("barred"), [("howto", 60)]),
    # --- mistakes: a ticket each
    (f"{W}.mistakes.address.share", 0.02, law("wrong_address"), 0.02),
    (f"{W}.mistakes.address.ceiling_per_hour", 30, parameter("wrong_address.admitted"), 2.0),
    (f"{W}.mistakes.address.ceiling_per_hour", 30, lambda k: k.ceiling("address"), [("money", 30)]),
    (f"{W}.mistakes.address.category", "howto", lambda k: k.ceiling("address"), [("howto", 60)]),
    (f"{W}.mistakes.network.share", 0.03, law("wrong_network"), 0.03),
    (f"{W}.mistakes.network.ceiling_per_hour", 15, parameter("wrong_network.admitted"), 4.0),
    (f"{W}.mistakes.network.ceiling_per_hour", 15, lambda k: k.ceiling("network"), [("money", 15)]),
    (f"{W}.mistakes.network.category", "howto", lambda k: k.ceiling("network"), [("howto", 60)]),
    # --- pauses and congestion
    (f"{W}.pauses.one.at", "2 h", closed, [[120, 179], [120, 179]]),
    (f"{W}.pauses.one.length", "30 min", closed, [[60, 89], [60, 89]]),
    (f"{W}.pauses.one.assets", ["USDT"], closed, [[], [60, 119]]),
    # Once over, in minute 120, withdrawals treble; half a day later there are 1 + 2 / 2 of them.
    (f"{W}.pauses.one.fear", 3, expected(119, 120, 120 + 720), [1.0, 3.0, 2.0]),
    (
        f"{W}.pauses", {"one": {"at": "1 h", "length": "1 h", "fear": 3, "fear_half_life": "3 h"}},
        expected(120, 120 + 180 - 1, 120 + 360), [3.0, 1 + 2 * 0.5 ** (179 / 180), 1.5],
    ),
    (f"{W}.congestion.one.at", "2 h", blocks, [0.1, 0.1, 0.1, 0.05]),
    (f"{W}.congestion.one.length", "1 min", blocks, [0.1, 0.05, 0.1, 0.1]),
    (f"{W}.congestion.one.factor", 5, blocks, [0.1, 0.02, 0.02, 0.1]),
    (f"{W}.congestion.one.assets", ["USDT"], blocks, [0.1, 0.1, 0.1, 0.1]),
    # --- gateway, readers and codes
    ("gateway.loads_per_s", [2, 5.5], parameter("gateway.loads_per_minute"), (120, 330)),
    ("gateway.error_shares", [0.1, 0.7], parameter("gateway.error_shares"), (0.1, 0.7)),
    ("gateway.retry_share", 0.6, parameter("gateway.retry_share"), 0.6),
    ("gateway.retry_after", "2 min", parameter("gateway.retry_minutes"), 2),
    ("gateway.tickets_per_failure", 0.3, parameter("gateway.admitted_per_gave_up"), 0.3),
    ("gateway.ceiling_per_hour", 90, parameter("gateway.admitted_per_gave_up"), 60 / 90),
    ("gateway.ceiling_per_hour", 90, lambda k: k.ceiling("fault"), [("money", 90)]),
    ("gateway.category", "howto", lambda k: k.ceiling("fault"), [("howto", 60)]),
    ("readers.poll_every", "10 min", parameter("gateway.polls_per_open"), 0.1),
    ("readers.poll_share", 0.3, parameter("gateway.polls_per_open"), 0.3),
    ("readers.view_every", "4 h", parameter("gateway.views_per_open"), 1 / 240),
    ("mfa.failure_share", 0.2, parameter("gateway.codes_per_request"), 1.25),  # 1 / (1 - 0.2)
    # --- ceilings that are left out: of 60 requests an hour, trebled by the shock
    ("gateway.ceiling_per_hour", None, lambda k: k.ceiling("fault"), [("money", 180)]),
    ("gateway.ceiling_per_hour", None, parameter("gateway.admitted_per_gave_up"), 60 / 180),
    (f"{W}.mistakes.address.ceiling_per_hour", None, lambda k: k.ceiling("address"), [("money", 18)]),
    (f"{W}.mistakes.network.ceiling_per_hour", None, parameter("wrong_network.admitted"), 60 / 18),
    # Refused ones come back 1 / (1 - 0.1) times; a fifth may not have more than 100 US dollars, a tenth nothing.
    (f"{L}.ceiling_per_hour", None, lambda k: k.ceiling("limited")[0][1], 180 * ABOVE_100 / 0.9),
    (f"{W}.barred.ceiling_per_hour", None, lambda k: k.ceiling("barred")[0][1], 180 * (0.2 * ABOVE_100 + 0.1)),
    # --- rumour and copies
    ("rumour.half_life", "6 h", after(360, "rumour.decay"), 0.5),
    ("rumour.threshold", 5, parameter("rumour.threshold"), 5),
    ("rumour.tickets_per_hour", 0.3, parameter("rumour.admitted_per_complaint"), 0.03),
    ("rumour.ceiling_per_hour", 4, parameter("rumour.admitted_per_complaint"), 0.25),
    ("rumour.ceiling_per_hour", 4, lambda k: k.ceiling("rumour"), [("money", 4)]),
    (
        "rumour", BASE["rumour"] | {"threshold": 4, "tickets_per_hour": 3, "ceiling_per_hour": None},
        lambda k: (k.ceiling("rumour"), parameter("rumour.admitted_per_complaint")(k)), ([("money", 12)], 3 / 12),
    ),
    ("rumour.category", "howto", lambda k: k.ceiling("rumour"), [("howto", 10)]),
    ("rumour.background_weight", 0.7, parameter("rumour.background"), 0.7),
    ("rumour.campaign_weight", 0.2, parameter("rumour.campaign"), 0.2),
    ("rumour.copy_weight", 0.4, parameter("rumour.copied"), 0.4),
    ("copies.per_post", 0.6, parameter("copies.per_post"), 0.6),
    ("copies.half_life", "2 h", after(120, "copies.decay"), 0.5),
    ("copies.unanswered_half_life", "3 h", after(180, "copies.unanswered_decay"), 0.5),
    # A Pareto law of mean 1 with the tail a begins at (a - 1) / a; a quarter lies above 4^(1/a) times that.
    (
        "copies.mark_tail", 2,
        lambda k: np.quantile(k.drawn.inputs.post_marks, [0, 0.75]).round(1).tolist(), [0.5, 1.0],
    ),
    ("amplification.one.at", "2 h", lambda k: k.minutes(BOOST), {120: 1.0}),
    ("amplification.one.mark", 70, lambda k: k.minutes(BOOST), {60: 70.0}),
    ("amplification.one.answered", False, lambda k: k.minutes(BOOST_UNANSWERED), {60: 1.0}),
    # --- trust
    ("trust.half_life", "30 d", lambda k: (1 - k.parameters.trust.recovery) ** (30 * DAY), 0.5),
    ("trust.loss_per_post", 0.01, parameter("trust.loss_per_post"), 0.01),
    ("trust.distrust_weight", 2, parameter("panic.distrust_weight"), 2),
    ("trust.events.one.at", "2 h", lambda k: k.minutes(TRUST_SHOCK), {120: 0.1}),
    ("trust.events.one.change", -0.3, lambda k: k.minutes(TRUST_SHOCK), {60: -0.3}),
    ("newcomers.trust_weight", 0.4, parameter("trust.signup_weight"), 0.4),
    # --- run
    ("run.depositors_share", 0.5, parameter("panic.depositors"), 1000),  # of 2,000
    ("run.contacts", 1.5, parameter("panic.spread"), 1.5 / 60),  # in the hour for which a fright lasts
    ("run.fright", "2 h", lambda k: (k.parameters.panic.calm, k.parameters.panic.spread), (1 / 120, 1 / 120)),
    ("run.frightened_per_hour", 30, parameter("panic.per_rumour"), 0.5),
    ("run.amount_mean_usd", 900, money("frights"), (900, 1)),
    ("run.amount_cv", 2, money("frights"), (500, 2)),
    ("run.shocks.one.at", "2 h", lambda k: k.minutes(CONTAGION), span(120, 180, 1.0)),
    ("run.shocks.one.length", "30 min", lambda k: k.minutes(CONTAGION), span(60, 90, 2.0)),
    ("run.shocks.one.frightened", 90, lambda k: k.minutes(CONTAGION), span(60, 120, 1.5)),
    # --- closures: minutes 720 to 779 are closed, and asked for by the ticks 721 to 780; what comes then waits for 781
    ("incidents.works.closes", ["withdrawals"], refused_ticks, ([721, 780], {781})),
    ("incidents.works.closes", ["tickets"], refused_ticks, ([], set())),
    ("incidents.works.closes", ["tickets"], lambda k: k.minutes(TICKETS_CLOSED), span(720, 780, 1.0)),
    ("incidents.works.closes", ["tickets"], lambda k: (k.drawn.closed_ms // MINUTE_MS - DAY).tolist(), [[720, 780]]),
    # What was closed comes with the half-life of half an hour: of 60 half in the first 30 minutes.
    (
        "incidents.works", {"at": "12 h", "length": "1 h", "closes": ["withdrawals"], "catch_up": "30 min"},
        lambda k: [k.demand.withdrawals.per_minute[DAY + a : DAY + b].sum() for a, b in ((720, 780), (780, 810))],
        [0.0, 30 + 60 * 0.5],
    ),
]  # fmt: skip
ELSEWHERE = {
    "withdrawals.mistakes.network.recovered_share": "tests/metrics/test_misdirected.py: a metric reads it",
    "withdrawals.jurisdictions.*.share": "the row of withdrawals.jurisdictions: they sum to 1",
    "withdrawals.pauses.*.fear_half_life": "the row of withdrawals.pauses: it needs a fear",
}
"""Keys of these tables without a row of their own, and where their numbers are."""
TABLES = ("withdrawals", "gateway", "readers", "mfa", "rumour", "copies", "trust", "run", "amplification")


@pytest.mark.parametrize(
    ("key", "value", "of", "number"), ROWS, ids=[f"{n}: {key}" for n, (key, *_) in enumerate(ROWS)]
)
def test_a_key_becomes_the_kernel_s_number(key: str, value: Any, of: Callable[[Kernel], Any], number: Any) -> None:
    found = of(changed(key, value))
    if isinstance(number, dict):
        assert list(found) == list(number)
        found, number = list(found.values()), list(number.values())
    many = number if isinstance(number, list | tuple) else [number]
    exact = not all(isinstance(one, int | float) for one in many)
    assert found == (number if exact else pytest.approx(number, rel=1e-9, abs=1e-12))


def parts(of: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the table that a field's type holds, if any, and whether it is a table of such tables."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        return (None if of.__module__ == durations.__name__ else of), False  # a law is a number of its own
    for inner in get_args(of):
        table, several = parts(inner)
        if table:
            return table, several or getattr(of, "__origin__", None) is dict
    return None, False


def keys(table: type[BaseModel], before: str) -> Iterator[str]:
    """Yield the keys of a table and of those within it; a name that a scenario chooses is ``*``."""
    for name, of in get_type_hints(table).items():
        inner, several = parts(of) if name in table.model_fields else (None, False)
        if inner:
            yield from keys(inner, f"{before}.{name}{'.*' if several else ''}")
        elif name in table.model_fields:
            yield f"{before}.{name}"


def test_every_key_of_the_live_levels_has_a_row() -> None:
    chosen = {"BTC", "one", "strict", "closed"}
    known = {".".join("*" if part in chosen else part for part in key.split(".")) for key, *_ in ROWS} | set(ELSEWHERE)
    wanted = {
        key
        for name in TABLES
        for table, several in [parts(get_type_hints(Scenario)[name])]
        if table
        for key in keys(table, f"{name}.*" if several else name)
    }
    assert len(wanted) > 80
    assert wanted - known == set(), "a new key needs a row with its number, worked out by hand"

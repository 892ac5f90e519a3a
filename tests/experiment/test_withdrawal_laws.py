"""Whole scenarios of withdrawals against closed forms, and against answers worked out on paper."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from sim.core.at_least import is_censored
from sim.core.clock import MINUTE_MS, NEVER
from sim.demand import CANDIDATE, CHASE, REOPEN, ROOT
from sim.engine.conservation import check_conservation
from sim.engine.outcome import RESOLVED
from sim.experiment.replication import observe
from sim.feedback import ADMISSION_COLUMNS, STREAMS
from sim.feedback import columns as level
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import metric_of
from sim.model.model import build
from sim.numerics.lognormal import amounts_at, amounts_of, exceeding
from tests.support.stories import category, fixed, near, story

DAY = 1440
PEOPLE = {"registered": 100_000, "mau_share": 0.1, "tickets_per_mau_day": 0.0, "withdrawals_per_mau_day": 0.72}
"""10,000 active users ask 7,200 times a day: 5 times a minute."""
WITHDRAWALS: dict[str, Any] = {
    "payouts_per_minute": 100, "review_share": 0.0, "reviews_per_hour": 6_000, "confirmation": "10 min",
    "promise": "1 h", "late_tickets_per_hour": 0.0, "late_category": "howto", "late_ceiling_per_hour": 1,
    "amount_mean_usd": 1500, "amount_cv": 3, "assets": {"BTC": 0.3, "ETH": 0.2, "USDT": 0.5},
}  # fmt: skip
TICKETS = {"category": "howto", "ceiling_per_hour": 600}
FOR_ALL = {"stress_from": 0.5, "stress_to": 0.9, "tickets_per_refusal": 0.0, **TICKETS}
"""Limits of everybody, at all times: the market's factor is 1, above both."""


def observed(withdrawals: dict[str, Any], **changes: Any) -> Observation:
    """Return a replication of a world of withdrawals, whose accounts balance at each minute."""
    scenario = story(**({"days": 2, "population": PEOPLE, "withdrawals": WITHDRAWALS | withdrawals} | changes))
    found = observe(build(scenario), seed=11, replication=0)
    check_conservation(found.outcome, found.demand.inputs, found.model.parameters, every_minute=True)
    return found


def ints(found: Observation, column: int) -> np.ndarray:
    return found.outcome.feedback_ints[column]


def rails(found: Observation, column: int) -> np.ndarray:
    """Return a column by rail and minute."""
    return found.outcome.feedback_rails[:, column]


def asked_cents(found: Observation) -> int:
    """Return the money of all first requests that a tick took."""
    drawn = found.demand.inputs.rows.drawn
    last = found.demand.inputs.minutes - 1
    rows = drawn[(drawn[:, level.ROW_MINUTE] >= 0) & (drawn[:, level.ROW_MINUTE] < last), level.ROW_CENTS]
    return int(found.demand.inputs.requests[:, :, 1, :last].sum() + rows.sum())


def n_asked(found: Observation) -> int:
    return int(found.demand.inputs.withdrawals[:-1].sum())


# --- the payout line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "batch", "each"), [(6.5, 1, {6, 7}), (6.5, 4, {26}), (6.25, 2, {12, 13})])
def test_a_dry_wallet_saves_no_capacity_up(rate: float, batch: int, each: set[int]) -> None:
    """A wallet for 200 minutes of requests is empty for 10 h; then as many are paid as the rate allows, and no more:
    6.5 a minute are 6 and 7 by turns, 26 in 4 minutes, and 6.25 are 12 and 13 in 2."""
    wallet = {
        "hot_usd": 1_500_000, "cold_usd": 1e9, "low_share": 0.01, "high_share": 1e6, "deposits_share": 0,
        "refill": fixed("10 h"),
    }  # fmt: skip
    rail = {"payouts_per_minute": rate, "batch": f"{batch} min", "wallet": wallet}
    found = observed({"assets": {"BTC": 1.0}, "rails": {"BTC": rail}, "amount_cv": 0.1})
    line = (rails(found, level.PAYOUT_IN) - rails(found, level.PAID))[0]
    paid = np.diff(rails(found, level.PAID)[0], prepend=0)
    assert paid.max() == max(each)
    assert line.max() > 1_000  # as many as wait when the money comes
    assert (ints(found, level.SHORT) > 0).sum() > 300
    short = ints(found, level.SHORT) > 0
    busy = np.flatnonzero((line > 0) & ~short & (np.arange(len(paid)) % batch == 0))
    assert set(paid[busy].tolist()) <= each
    assert len(busy) > 100
    off_batch = np.arange(len(paid)) % batch != 0
    assert not paid[off_batch].any()


# --- law and limits -------------------------------------------------------------------------------------------------


def test_a_ban_refuses_those_who_would_be_reviewed_like_everybody() -> None:
    """A quarter is reviewed and a half banned, so an eighth reaches review."""
    countries = {"home": {"share": 0.5, "rule": "allowed"}, "closed": {"share": 0.5, "rule": "banned"}}
    found = observed({"review_share": 0.25, "jurisdictions": countries})
    n = n_asked(found)
    assert near(ints(found, level.BARRED)[-1] / n, 0.5, n)
    assert near(rails(found, level.REVIEW_IN)[:, -1].sum() / n, 0.125, n)


def limited(back_share: float, **changes: Any) -> Observation:
    limits = {"amount_usd": 10_000, "back_share": back_share, "back_after": "2 h", **FOR_ALL}
    return observed({"limits": limits | changes})


def money_error(usd: float, n: int) -> float:
    """Return the standard error of the share of money above an amount, of n withdrawals, from the law's quantiles."""
    amounts = amounts_at(amounts_of(mean_usd=1500, cv=3), (np.arange(1_000_000) + 0.5) / 1_000_000) / 100
    share = amounts[amounts > usd].sum() / amounts.sum()
    return float(np.std(amounts * ((amounts > usd) - share)) / amounts.mean() / np.sqrt(n))


@cache
def refused_for_good() -> Observation:
    return limited(0.0)


def test_the_money_that_a_limit_refuses_is_the_share_of_the_lognormal_law() -> None:
    """At 5 requests a minute on three rails, 31.2 % of the money is in withdrawals above 10,000 dollars."""
    found = refused_for_good()
    share, money = exceeding(10_000, mean=1500, cv=3)
    assert money == pytest.approx(0.312, abs=5e-4)
    n = n_asked(found)
    assert (found.outcome.feedback_floats[level.TIGHTNESS] == 1).all()
    assert near(ints(found, level.OVER_LIMIT)[-1] / n, share, n)
    refused = rails(found, level.LOST_C)[:, -1].sum() / asked_cents(found)
    assert abs(refused - money) < 4 * money_error(10_000, n)


@pytest.mark.parametrize("back_share", [0.3, 1.0])
def test_where_no_limit_ever_lifts_those_who_come_back_do_not_pass(back_share: float) -> None:
    """Refused customers come back as themselves: what leaves is the same, to the cent."""
    never, found = refused_for_good(), limited(back_share)
    assert ints(found, level.OVER_LIMIT)[-1] > ints(never, level.OVER_LIMIT)[-1] * 1.2
    for column in (level.PAYOUT_IN, level.PAYOUT_IN_C):
        assert rails(found, column).tolist() == rails(never, column).tolist()
    leaves = rails(found, level.PAYOUT_IN_C)[:, -1].sum() / asked_cents(found)
    assert abs(leaves - (1 - exceeding(10_000, mean=1500, cv=3)[1])) < 4 * money_error(10_000, n_asked(found))


def test_refusals_of_those_who_come_back_follow_the_geometric_law() -> None:
    """A share b comes back each time, 2 h later: whoever asked by the hour 24 is refused by the hour 48 up to 13 times,
    1 + b + b^2 + ... = 1 / (1 - b) times but for b^13."""
    found = limited(0.5)
    rows = found.outcome.withdrawal_rows
    early = found.demand.inputs.rows.drawn[:, level.ROW_MINUTE] < DAY
    attempts = rows[level.ATTEMPT, early]
    n = len(attempts)
    assert set(rows[level.STAGE, early].tolist()) <= {level.LOST_AT_LIMIT, level.RETURNING}
    for at_least in (2, 3):
        share = 0.5 ** (at_least - 1)
        assert abs((attempts >= at_least).mean() - share) < 4 * np.sqrt(share * (1 - share) / n)


# --- screening and the promise --------------------------------------------------------------------------------------


def test_what_is_held_beyond_the_promise_is_late_and_its_wait_runs_from_acceptance() -> None:
    """All are reviewed a minute after they were accepted, held 12 h, paid at once, final 10 minutes later: 731."""
    found = observed({"review_share": 1.0, "held_share": 1.0, "hold": "12 h"})
    accepted = np.cumsum(ints(found, level.REQUESTS))
    late, opened = ints(found, level.N_LATE), ints(found, level.N_OPEN)
    assert opened[:700].tolist() == accepted[:700].tolist()
    assert late[60:700].tolist() == accepted[:640].tolist()  # whoever was accepted an hour ago
    assert not late[:60].any()
    final = np.concatenate([np.zeros(731, np.int64), accepted])[: len(accepted)]
    assert rails(found, level.FINAL).sum(axis=0).tolist() == final.tolist()
    assert late[60:].tolist() == (accepted[:-60] - final[60:]).tolist()
    assert metric_of("withdrawal_final_p50").of(found)[""] == 731
    p95 = metric_of("withdrawal_final_p95").of(found)[""]
    assert p95 == 731  # those of the last 731 minutes are not final: it is at least that
    assert is_censored(p95)
    assert metric_of("withdrawals_late_peak").of(found)[""] == late.max()


def test_a_run_is_reviewed_as_much_as_all_others_in_the_same_minutes() -> None:
    """A tenth is reviewed, three tenths while a shock lasts; some 2,000 of the 10,000 run at 2 h and at 10 h each."""
    wave = {"length": "1 h", "frightened": 2_000}
    found = observed(
        {"review_share": 0.1, "reviews_per_hour": 1e-3},
        days=1,
        run={
            "depositors_share": 1.0, "contacts": 0, "fright": "1 h", "frightened_per_hour": 0, "amount_mean_usd": 1000,
            "amount_cv": 1, "shocks": {"first": {"at": "2 h", **wave}, "second": {"at": "10 h", **wave}},
        },
        shocks={"alerts": {"at": "9 h", "length": "4 h", "reviews": 3}},
    )  # fmt: skip
    rows, drawn = found.outcome.withdrawal_rows, found.demand.inputs.rows.drawn
    reviewed = (drawn[:, level.ROW_MINUTE] < 0) & (rows[level.STAGE] == level.IN_REVIEW)
    ran = ints(found, level.PANICKED)
    for begin, share in ((2 * 60, 0.1), (10 * 60, 0.3)):
        end = begin + 120
        n = ran[end] - ran[begin - 1]
        there = (rows[level.ACCEPTED] >= begin) & (rows[level.ACCEPTED] <= end)
        assert n > 1_000
        assert near((reviewed & there).sum() / n, share, n)


# --- the gateway ----------------------------------------------------------------------------------------------------

GATEWAY = {
    "loads_per_s": [1000.0], "error_shares": [0.0], "retry_share": 0.0, "retry_after": "5 min",
    "tickets_per_failure": 0.0, **TICKETS,
}  # fmt: skip
BUSY: dict[str, Any] = {
    "days": 1,
    "warmup_days": 1,
    "population": PEOPLE | {"tickets_per_mau_day": 0.2, "logins_per_mau_day": 2.0},
    "categories": {
        "howto": {
            "share": 0.7, "bot_resolve": 0.5, "steps": {"front": {"queue": "inbox", "handle": fixed("10 min")}},
        },
        "payout": {"share": 0.3, "steps": {"front": {"queue": "inbox", "handle": fixed("3 h")}}},
        "papers": {"task": True, "steps": {"review": {"queue": "docs", "handle": fixed("10 min")}}},
    },
    "bot": {"handle": fixed("2 min")},
    "teams": {"front": {"serves": ["inbox"], "agents": 60}, "back": {"serves": ["docs"], "agents": 20}},
    "reopen": {"share": 0.3, "after": {"law": "exponential", "mean": "3 h"}},
    "gateway": GATEWAY,
    "mfa": {"failure_share": 0.2},
    "readers": {"poll_every": "2 min", "poll_share": 0.5, "view_every": "10 min"},
    "newcomers": {
        "industry_per_day": 50_000, "platform_share": 0.2, "kyc_share": 0.6, "kyc_delay": "30 min",
        "deposit_share": 0.6, "deposit_delay": "1 h", "review_share": 0.2, "review_category": "papers",
        "trust_weight": 0.8,
    },
    "trust": {
        "half_life": "100 d", "loss_per_post": 0.0, "distrust_weight": 0.0,
        "events": {"auditor_leaves": {"at": "1 h", "change": -0.6}},
    },
    "campaigns": {"wave": {"at": "2 h", "length": "12 h", "posts": 500, "spam_per_post": 3}},
}  # fmt: skip


def test_the_gateway_carries_what_all_endpoints_are_asked() -> None:
    """A tick carries the requests of the minute before it. Views, polls, codes entered again and newcomers who stay
    away are drawn for the trace, and expected at the gateway: they differ by Poisson noise."""
    found = observed({}, **BUSY)
    requests = {name: int(counts[:-1].sum()) for name, counts in found.requests.items()}
    noise = ("ticket_view", "withdrawal_status", "signup", "kyc", "deposit")
    deviation = np.sqrt(sum(requests[name] for name in noise) + 0.25 * requests["withdrawal"])
    load = found.outcome.feedback_floats[level.LOAD]
    assert abs(load[1:].sum() - sum(requests.values())) < 4 * deviation
    for name, n in requests.items():  # so that none of them could be left out unseen
        assert n > 6 * deviation, name


def test_a_minute_at_the_gateway_is_the_sum_of_its_endpoints() -> None:
    """With newcomers whom nothing keeps away all but the expected parts are the trace's own, by the minute: views are a
    tenth of the open tickets, polls a quarter of the open withdrawals, and 1.25 codes are entered for each request."""
    found = observed({}, **BUSY | {"trust": None, "newcomers": BUSY["newcomers"] | {"trust_weight": 0.0}})
    drawn = np.sum([found.requests[name] for name in ("ticket", "login", "signup", "kyc", "deposit")], axis=0)
    open_tickets, at = found.open_tickets, np.arange(1, len(drawn)) * MINUTE_MS
    begun = np.searchsorted(np.sort(open_tickets.begin_ms), at, side="left")  # what opens at the tick opens after it
    ended = np.searchsorted(np.sort(open_tickets.end_ms), at, side="right")
    expected = drawn[:-1] + 2.25 * found.requests["withdrawal"][:-1]
    expected = expected + 0.1 * (begun - ended) + 0.25 * ints(found, level.N_OPEN)[:-1]
    assert found.outcome.feedback_floats[level.LOAD][1:] == pytest.approx(expected, rel=1e-9)
    assert (begun - ended).max() > 30


# --- closures -------------------------------------------------------------------------------------------------------

BEGIN, END = 12 * 60, 18 * 60


@cache
def closed() -> Observation:
    """Return a world whose withdrawals and tickets are closed for 6 h; a third fails and asks again after 20 minutes,
    and whom a limit refused asks again after 2 h."""
    return observed(
        {
            "promise": "5 min", "late_tickets_per_hour": 0.5, "late_category": "payout", "late_ceiling_per_hour": 120,
            "limits": {
                "amount_usd": 5_000, "back_share": 1.0, "back_after": "2 h", "stress_from": 0.5, "stress_to": 0.9,
                "tickets_per_refusal": 5.0, "category": "howto", "ceiling_per_hour": 30,
            },
        },
        days=1,
        categories={"howto": category(30.0), "payout": category(20.0, queue="finance")},
        teams={"front": {"serves": ["inbox", "finance"], "agents": 40}},
        reopen={"share": 0.5, "after": {"law": "exponential", "mean": "2 h"}},
        recontact={"share": 0.5, "after": fixed("5 min"), "queue": "inbox", "handle": fixed("2 min")},
        gateway=GATEWAY | {"error_shares": [1 / 3], "retry_share": 1.0, "retry_after": "20 min"},
        complaints={"background_per_day": 500},
        rumour={
            "half_life": "6 h", "threshold": 0, "tickets_per_hour": 0.1, "category": "howto", "ceiling_per_hour": 30,
            "background_weight": 1,
        },
        incidents={
            "works": {"at": "12 h", "length": "6 h", "closes": ["withdrawals", "tickets"], "catch_up": "1 h"}
        },
    )  # fmt: skip


def test_no_withdrawal_is_requested_in_a_closure_and_what_is_put_off_comes_at_its_end() -> None:
    """Tick 721 is the first to take a closed minute, 1080 the last. All who were to ask again at tick 720 were to do so
    within 2 h: each is put off once, to tick 1081, with those drawn for minute 1080."""
    found = closed()
    asked, again, deferred = (ints(found, one) for one in (level.REQUESTS, level.N_AGAIN, level.DEFERRED))
    assert not asked[BEGIN + 1 : END + 1].any()
    assert asked[BEGIN] > 0
    assert not found.demand.inputs.withdrawals[BEGIN:END].any()
    assert deferred[BEGIN] == 0
    assert deferred[END] == deferred[-1] == again[BEGIN] == again[END] > 100
    assert asked[END + 1] == deferred[-1] + found.demand.inputs.withdrawals[END]
    money = rails(found, level.AGAIN_C)
    assert money[:, BEGIN].tolist() == money[:, END].tolist()


def test_all_that_a_closure_puts_off_is_counted_once() -> None:
    """Beside those who ask again, the 6 h x 5 a minute whom it shut out, all of whom make up for it with a half-life of
    1 h: within the 6 h to the end but 2^-6 of them."""
    found = closed()
    drawn = metric_of("withdrawals_deferred_per_day").of(found)[""] * found.days - ints(found, level.DEFERRED)[-1]
    expected = (END - BEGIN) * 5 * (1 - 2**-6)
    assert abs(drawn - expected) < 4 * np.sqrt(expected)
    assert drawn == round(drawn)


def test_no_ticket_opens_in_a_closure_and_reopenings_wait_for_its_end() -> None:
    found = closed()
    demand, out, begin, end = found.demand, found.outcome, BEGIN * MINUTE_MS, END * MINUTE_MS
    opened, kind = out.opened_ms, demand.kind
    for one in (ROOT, CANDIDATE, REOPEN, CHASE):
        mine = opened[kind == one]
        assert (mine < begin).any()
        assert ((mine >= end) & (mine < NEVER)).any()
        assert not ((mine >= begin) & (mine < end)).any(), one
    again = np.flatnonzero(kind == REOPEN)
    parent = demand.parent[again]
    resolved = out.outcome[parent] == RESOLVED
    due = out.closed_ms[parent][resolved] + demand.after_ms[again][resolved]
    put_off = (due >= begin) & (due < end)
    assert put_off.sum() > 10
    assert (opened[again][resolved][put_off] == end).all()
    assert (opened[again][resolved][due < begin] == due[due < begin]).all()


def test_no_candidate_is_admitted_in_a_closure_and_what_events_ask_for_is_admitted_later() -> None:
    """Each refusal asks for five tickets, half of a candidate a minute: 10 minutes' worth."""
    found = closed()
    floats = found.outcome.feedback_floats
    for name, column in zip(STREAMS, ADMISSION_COLUMNS, strict=True):
        if name != "signup":
            assert not floats[column, BEGIN:END].any(), name
    for column in (level.ADMITTED_LATE, level.ADMITTED_RUMOUR, level.ADMITTED_LIMITED):
        assert floats[column, :BEGIN].any()
        assert floats[column, END:].any()
    pending = floats[level.LIMITED_PENDING]
    refused = np.diff(ints(found, level.OVER_LIMIT), prepend=0)
    assert pending[BEGIN] > 0
    admitted = floats[level.ADMITTED_LIMITED]
    assert (np.cumsum(10.0 * refused) - np.cumsum(admitted)).tolist() == pytest.approx(pending.tolist())
    assert (admitted[END:] <= 1).all()
    assert (admitted[END : END + 30] == 1).all()

"""The verdict on rows made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta, binom

from loadtests.core.intervals import (
    effective_number,
    needed_more,
    quantile,
    quantile_interval,
    share_interval,
)
from tests.support.verdict_rows import SECOND_US, ended, first, judged, lasting_30_s, rows_of, unsent


def line(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [row for row in verdict["thresholds"] if row["name"] == name]
    return found


def test_a_good_run_passes() -> None:
    verdict = judged(rows_of())
    assert (verdict["exit_code"], verdict["valid"], verdict["passed"], verdict["reasons"]) == (0, True, True, [])
    assert line(verdict, "login.p99_ms")["measured"] == 20.0
    assert verdict["generator"]["lateness_ms"] == {"p50": 1.0, "p99": 1.0, "max": 1.0}
    assert verdict["predicted"]["endpoints"]["login"] == {"count": 1000, "per_s": 100.0}


def test_an_objective_that_is_null_is_no_threshold() -> None:
    verdict = judged(rows_of())
    assert not [row for row in verdict["thresholds"] if row["name"] == "login.p95_ms"]


@pytest.mark.parametrize(("outcome", "code"), [("rejected", 1), ("rate_limited", 1), ("unknown", 1)])
def test_an_endpoint_that_acknowledges_nothing_never_passes(outcome: str, code: int) -> None:
    nothing = judged(rows_of(**ended(1000, outcome, answered=outcome != "unknown")), objectives={})
    assert (nothing["exit_code"], nothing["passed"]) == (code, False)
    assert line(nothing, "login.acknowledged_share")["measured"] == 0.0
    assert judged(rows_of(), objectives={})["exit_code"] == 0


# 1,000 requests: up to 4 above the limit exclude more than 1 % at 95 %, 16 or more exclude less.
@pytest.mark.parametrize(("n_slow", "code"), [(4, 0), (5, 3), (10, 3), (15, 3), (16, 1)])
def test_p99_passes_and_fails_only_beyond_its_uncertainty(n_slow: int, code: int) -> None:
    spread = pl.when(pl.col("idx") * n_slow % 1000 < n_slow).then(pl.col("due_us") + 150_000).otherwise("done_us")
    verdict = judged(rows_of(done_us=spread))
    found = line(verdict, "login.p99_ms")
    assert (verdict["exit_code"], found["n_over"], found["effective_n"]) == (code, n_slow, 1000)
    assert verdict["passed"] is {0: True, 1: False, 3: None}[code]
    assert (found["needs"] is not None) == (code == 3 and n_slow != 10)  # at the limit itself no number decides


def test_a_gate_says_how_many_more_requests_it_needs() -> None:
    for n, needs in ((1, 298), (80, 219), (298, 1), (299, None)):
        found = line(judged(rows_of(n)), "login.p99_ms")
        assert (found["passed"], found["needs"]) == ((True, None) if needs is None else (None, needs))
    one_in_80 = line(judged(rows_of(80, **ended(1, "rejected", answered=True))), "login.error_share")
    assert (one_in_80["passed"], one_in_80["state"]) == (None, "undecided")


def test_slow_requests_that_come_together_are_worth_fewer() -> None:
    # 25 of 1,000 above the limit of p95: spread evenly they pass; all at once they are hardly more than one event.
    spread, burst = pl.col("idx") % 40 == 0, pl.col("idx").is_between(500, 524)
    for where, passed in ((spread, True), (burst, None)):
        slow = pl.when(where).then(pl.col("due_us") + 150_000).otherwise("done_us")
        found = line(judged(rows_of(done_us=slow), objectives={"login": {"p95_ms": 100.0}}), "login.p95_ms")
        assert (found["n_over"], found["passed"]) == (25, passed)
        assert (found["effective_n"] == 1000) if passed else (found["effective_n"] < 100)


def test_objectives_of_an_endpoint_without_requests_are_skipped_and_not_gone() -> None:
    objectives = {"login": {"p99_ms": 100.0}, "ticket": {"p99_ms": 100.0, "p95_ms": None}}
    for wanted, code in ((["login", "ticket"], 3), (["login"], 0)):
        verdict = judged(rows_of(), objectives=objectives, wanted=wanted)
        found = line(verdict, "ticket.p99_ms")
        assert (verdict["exit_code"], found["state"], found["required"]) == (code, "skipped", code == 3)


def test_latency_counts_from_the_due_time() -> None:
    # 90 ms of lateness is too much for a valid run, and not the target's fault.
    verdict = judged(rows_of(sent_us=pl.col("due_us") + 90_000, done_us=pl.col("due_us") + 105_000))
    assert line(verdict, "login.p99_ms")["measured"] == 105.0
    assert (verdict["exit_code"], verdict["valid"]) == (3, False)
    assert verdict["measured"]["endpoints"]["login"]["service_ms"]["p99"] == 15.0


def test_a_failure_is_slower_than_any_answer() -> None:
    verdict = judged(rows_of(**ended(20, "unknown")))
    found = verdict["measured"]["endpoints"]["login"]["latency_ms"]["p99"]
    assert (found["value"], found["high"], found["acknowledged"]) == (None, None, 20.0)
    assert line(verdict, "login.error_share")["measured"] == 0.02
    assert verdict["exit_code"] == 1


def test_quick_failures_improve_no_quantile() -> None:
    # One in twenty fails at once, and another is slow: the p95 among those acknowledged is the slow one's.
    def when(place: int, then: Any, column: str) -> pl.Expr:
        return pl.when(pl.col("idx") % 20 == place).then(then).otherwise(pl.col(column)).alias(column)

    slow = rows_of(done_us=when(7, pl.col("due_us") + 1_502_000, "done_us"))
    bad = slow.with_columns(when(3, pl.lit("rejected"), "outcome"), when(3, pl.col("sent_us") + 500, "done_us"))
    verdict = judged(bad, objectives={"login": {"p95_ms": 1000.0}})
    found = verdict["measured"]["endpoints"]["login"]["latency_ms"]["p95"]
    assert (found["value"], found["acknowledged"]) == (1502.0, 1502.0)
    assert (line(verdict, "login.p95_ms")["n_over"], verdict["exit_code"]) == (100, 1)


def test_why_requests_failed_is_counted() -> None:
    rows = rows_of(**ended(900, "rejected", answered=True)).with_columns(
        reason=pl.when(pl.col("idx") < 600).then(pl.lit("503 BUSY"))
        .when(pl.col("idx") < 900).then(pl.concat_str(pl.lit("404 no order ws-12ab34cd56-"), pl.col("idx")))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    assert judged(rows)["measured"]["endpoints"]["login"]["failures"] == [
        {"outcome": "rejected", "reason": "503 BUSY", "count": 600},
        {"outcome": "rejected", "reason": "404 no order ...", "count": 300},
    ]


def test_a_rate_limit_has_its_own_line() -> None:
    verdict = judged(rows_of(**ended(20, "rate_limited", answered=True)))
    assert line(verdict, "login.error_share")["measured"] == 0.0
    found = line(verdict, "login.rate_limited_share")
    assert (found["measured"], found["passed"], found["n"]) == (0.02, False, 1000)
    assert 0.01 < found["low"] < 0.02 < found["high"]


def test_a_rate_limit_may_have_a_limit_of_its_own() -> None:
    limited = rows_of(**ended(20, "rate_limited", answered=True))
    for limit, code in ((0.03, 0), (0.02, 3), (0.01, 1)):
        assert judged(limited, objectives={"login": {"rate_limited_share": limit}})["exit_code"] == code


def slowed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that are due three times as far apart."""
    more = 2 * pl.col("due_us")
    ends = pl.when(pl.col("done_us") >= 0).then(pl.col("done_us") + more).otherwise("done_us")
    return rows.with_columns(due_us=pl.col("due_us") + more, sent_us=pl.col("sent_us") + more, done_us=ends)


def test_no_throughput_is_kept_by_a_moment() -> None:
    objectives = {"login": {"throughput_per_s": 90}}
    verdict = judged(rows_of(), objectives=objectives)
    found = line(verdict, "login.throughput_per_s")
    assert (verdict["exit_code"], found["passed"]) == (3, None)
    assert found["why"] == "it lasted 10 s, fewer than 30: replay a longer window"
    assert judged(rows_of(**ended(200, "rejected", answered=True)), objectives=objectives)["exit_code"] == 1


@pytest.mark.parametrize(("n_lost", "code"), [(99, 0), (100, 3), (101, 1)])
def test_a_throughput_is_the_least_that_a_run_must_have_proven(n_lost: int, code: int) -> None:
    # 1,000 requests in 30 s, of which 99 to 101 are refused. The last is answered just after the window, 900 to 898
    # within it: where that one would decide, nothing is decided.
    rows = slowed(rows_of(**ended(n_lost, "rejected", answered=True)))
    last = pl.when(pl.col("idx") == 999).then(30 * SECOND_US + 10_000).otherwise(pl.col("done_us"))
    verdict = judged(
        rows.with_columns(done_us=last), duration_us=30 * SECOND_US, objectives={"login": {"throughput_per_s": 30}}
    )
    found = line(verdict, "login.throughput_per_s")
    assert (verdict["exit_code"], found["at_least"], found["limit"]) == (code, True, 30)
    assert found["measured"] == pytest.approx((1000 - n_lost - 1) / 30, abs=1e-4)
    told = {3: "1 were acknowledged only after the window: replay a longer one"}
    assert found["why"] == told.get(code, "")


def test_throughput_counts_what_was_completed_within_the_window() -> None:
    # 100/s are due for 10 s and 65/s are served, one after the other: the last ends 5 s after the window.
    slow = rows_of(done_us=((pl.col("idx") + 1) / 65 * SECOND_US).cast(pl.Int64))
    verdict = judged(slow, objectives={"login": {"throughput_per_s": 99}}, timeout_us=20 * SECOND_US)
    measured = verdict["measured"]["endpoints"]["login"]
    assert measured["throughput_per_s"] == pytest.approx(65, rel=0.02)
    assert measured["outcomes"] == {"acknowledged": 1000}
    assert measured["backlog"] == {"at_end": pytest.approx(344, abs=2), "growing": True}
    assert verdict["exit_code"] == 1
    assert not judged(rows_of())["measured"]["endpoints"]["login"]["backlog"]["growing"]


def test_no_server_fails_by_a_throughput_that_was_not_offered() -> None:
    verdict = judged(rows_of(), objectives={"login": {"throughput_per_s": 101}})
    found = line(verdict, "login.throughput_per_s")
    assert (verdict["exit_code"], found["passed"]) == (3, None)
    assert found["why"] == "only 100/s were due, less than the objective: replay faster"


def test_in_an_invalid_run_a_throughput_fails_only_if_the_unsent_could_not_reach_it() -> None:
    shed = rows_of(**unsent(500, "shed"))
    refused = shed.with_columns(outcome=pl.when(pl.col("idx") >= 800).then(pl.lit("rejected")).otherwise("outcome"))
    assert judged(refused, objectives={"login": {"throughput_per_s": 90}})["exit_code"] == 1
    for least, code in ((90.0, 3), (99.9, 3)):
        assert judged(shed, objectives={"login": {"throughput_per_s": least}})["exit_code"] == code


def test_one_shed_request_makes_a_run_invalid() -> None:
    verdict = judged(rows_of(**unsent(1, "shed")))
    assert (verdict["exit_code"], verdict["valid"], verdict["passed"]) == (3, False, None)
    assert verdict["reasons"] == ["1 requests were shed"]


def test_lateness_of_more_than_20_ms_makes_a_run_invalid() -> None:
    assert judged(rows_of(sent_us=first(10, pl.col("due_us") + 19_000, "sent_us")))["valid"]
    at_limit = first(11, pl.col("due_us") + 20_001, "sent_us")
    verdict = judged(rows_of(sent_us=at_limit, done_us=pl.col("done_us") + 10_000))
    assert verdict["reasons"] == ["requests left late: p99 20.001 ms, limit 20 ms"]


def test_requests_that_were_not_sent_make_a_run_invalid() -> None:
    verdict = judged(rows_of(**unsent(20, "not_sent")))
    assert verdict["reasons"] == [
        "20 requests were not sent",
        "login: 980 of 1000 requests were sent in time",
    ]


def test_an_invalid_run_fails_when_nothing_unsent_could_mend_it() -> None:
    # 500 of 1,000 were sent. If the others had all been quick, 20 slow ones would still exclude a p99 within its limit.
    for n_slow, code in ((20, 1), (12, 3)):
        every = 500 // n_slow
        slow = pl.when((pl.col("idx") >= 500) & (pl.col("idx") % every == 0) & (pl.col("idx") < 500 + n_slow * every))
        rows = rows_of(**unsent(500, "shed")).with_columns(
            done_us=slow.then(pl.col("due_us") + 150_000).otherwise("done_us")
        )
        verdict = judged(rows)
        assert line(verdict, "login.p99_ms")["passed"] is (False if code == 1 else None)
        assert (verdict["valid"], verdict["exit_code"]) == (False, code)


def test_in_an_invalid_run_errors_count_only_if_the_unsent_could_not_mend_them() -> None:
    shed = rows_of(**unsent(500, "shed"))
    for n_bad, share, code in ((11, 0.022, 3), (20, 0.04, 1)):
        bad = pl.when(pl.col("idx") >= 1000 - n_bad).then(pl.lit("rejected")).otherwise(pl.col("outcome"))
        verdict = judged(shed.with_columns(outcome=bad))
        assert (line(verdict, "login.error_share")["measured"], verdict["exit_code"]) == (share, code)


def test_a_late_generator_proves_no_latency_but_answered_errors() -> None:
    late: Any = {"sent_us": pl.col("due_us") + 50_000, "done_us": pl.col("due_us") + 400_000}
    assert judged(rows_of(**late))["exit_code"] == 3
    refused = rows_of(**{**late, "outcome": first(20, pl.lit("rejected"), "outcome")})
    assert judged(refused)["exit_code"] == 1
    for outcome, code in (("rejected", 1), ("rate_limited", 1), ("unknown", 3)):
        nothing = rows_of(**{**late, "outcome": pl.lit(outcome)})
        assert judged(nothing, objectives={})["exit_code"] == code


def test_a_run_ended_by_failures_fails() -> None:
    rows = rows_of(**unsent(500, "not_sent"))
    verdict = judged(rows, aborted="60 of the last 100 requests failed", failing_share=0.6, failing_limit=0.5)
    assert (verdict["valid"], verdict["exit_code"]) == (False, 1)
    assert judged(rows, aborted="interrupted")["exit_code"] == 3


def test_clocks_that_contradict_each_other_make_a_run_invalid() -> None:
    assert judged(rows_of(), mean_in_flight=2.0, little_xr=1.91)["valid"]
    assert not judged(rows_of(), mean_in_flight=2.0, little_xr=1.89)["valid"]


def test_counts_per_second_and_per_tenth_of_a_second() -> None:
    # 100 a second; the last request of each second but the last is sent in the next one.
    moved = pl.when(pl.col("idx") % 100 == 99).then(pl.col("due_us") + 15_000).otherwise(pl.col("due_us"))
    found = judged(rows_of(sent_us=moved))["generator"]
    assert found["count_error_per_s"]["max"] == 1
    assert found["count_error_per_s"]["mean"] == pytest.approx(2 / 11)  # the first and the last second differ
    assert found["count_error_per_100_ms"]["max"] == 1


def proof(rows: pl.DataFrame, **changes: Any) -> tuple[float, str, str]:
    verdict = judged(rows, **{"duration_us": 30 * SECOND_US, "peaks_per_s": {"login": 20.0}, **changes})
    found = verdict["headroom"]["endpoints"]["login"]
    return found["ratio"], found["state"], found["why"]


def test_a_rate_is_held_only_when_it_lasted_long_enough_with_steady_completions() -> None:
    assert proof(lasting_30_s(900)) == (1.5, "held", "")
    assert proof(lasting_30_s(299)) == (
        pytest.approx(0.4983, abs=1e-3), "unproven", "299 acknowledged, fewer than 300",
    )  # fmt: skip
    short = proof(rows_of(900), duration_us=10 * SECOND_US)
    assert short == (4.5, "unproven", "10 s, fewer than 30")
    goals: dict[str, Any] = {"objectives": {"login": {"p99_ms": 60_000.0}}, "timeout_us": 60 * SECOND_US}
    # 30/s are due, 25/s completed: every gate passes, and still nothing is held.
    slow = lasting_30_s(900).with_columns(done_us=((pl.col("idx") + 1) / 25 * SECOND_US).cast(pl.Int64))
    assert proof(slow, **goals)[1:] == ("unproven", "its backlog was growing")
    assert proof(lasting_30_s(900), objectives={})[2] == "the scenario states no objective for it"
    assert proof(lasting_30_s(900), aborted="stopped")[2].startswith("the run is invalid")


def test_a_rate_is_broken_where_a_gate_failed_and_undecided_is_no_proof() -> None:
    def slow(n: int) -> pl.DataFrame:
        when = pl.when(pl.col("idx") * n % 900 < n)
        return lasting_30_s(900).with_columns(done_us=when.then(pl.col("due_us") + 150_000).otherwise("done_us"))

    assert proof(slow(50))[1:] == ("broken", "login.p99_ms")
    assert proof(slow(8))[1:] == ("unproven", "undecided: login.p99_ms")


def test_headroom_names_what_was_not_sent_and_the_objective() -> None:
    verdict = judged(rows_of(), peaks_per_s={"login": 50.0, "ticket": 2.0})
    assert verdict["headroom"]["not_sent"] == {"ticket": 2.0}
    assert verdict["headroom"]["p99_objective_over_measured"] == {"login": 5.0}


@pytest.mark.parametrize(("n_bad", "state"), [(0, "held"), (24, "broken")])
def test_a_quiet_rest_hides_no_failures_of_the_busiest_minute(n_bad: int, state: str) -> None:
    # 600 requests in one minute of ten, 2/s in the others: 24 failures are 4 % of that minute and 0.6 % of it all.
    calm = np.concatenate([np.arange(600) / 2, 300 + np.arange(600) / 10, 360 + np.arange(2400) / 2])
    due = pl.Series((calm * SECOND_US).astype(np.int64))
    bad = pl.col("idx").is_between(600, 599 + n_bad)
    rows = rows_of(len(due), due_us=due).with_columns(
        sent_us=pl.col("due_us") + 1_000, done_us=pl.col("due_us") + 20_000,
        outcome=pl.when(bad).then(pl.lit("rejected")).otherwise("outcome"),
    )  # fmt: skip
    goals = {"login": {"error_share": 0.01}}
    verdict = judged(rows, duration_us=1560 * SECOND_US, objectives=goals, peaks_per_s={"login": 10.0})
    found = verdict["headroom"]["endpoints"]["login"]
    assert line(verdict, "login.error_share")["passed"] is True
    assert (found["sent_per_s"], found["state"]) == (10.0, state)
    assert found["why"] == ("in its busiest minute: login.error_share" if n_bad else "")


def test_the_rate_of_a_long_run_is_that_of_its_busiest_minute() -> None:
    due = np.concatenate([np.arange(600) / 10, 60 + np.arange(1200) / 20, 120 + np.arange(600) / 10]) * SECOND_US
    rows = rows_of(len(due), due_us=pl.Series(due.astype(np.int64)))
    rows = rows.with_columns(sent_us=pl.col("due_us"), done_us=pl.col("due_us") + 1)
    assert proof(rows, duration_us=180 * SECOND_US, peaks_per_s={"login": 10.0})[:2] == (2.0, "held")


@pytest.mark.parametrize(("n", "q"), [(10, 0.5), (100, 0.95), (1000, 0.99), (5000, 0.5)])
def test_the_interval_of_a_quantile_has_the_ranks_of_the_binomial(n: int, q: float) -> None:
    low, high = quantile_interval(np.arange(1, n + 1), q)
    assert low is not None
    upper = n + 1 if high is None else high
    # P(low <= number below the quantile < high), for ranks that are the values themselves.
    assert binom.cdf(upper - 1, n, q) - binom.cdf(low - 1, n, q) >= 0.90 or high is None
    assert binom.cdf(low - 1, n, q) <= 0.05 < binom.cdf(low, n, q)
    if high is not None:
        assert binom.cdf(high - 1, n, q) >= 0.95 > binom.cdf(high - 2, n, q)


def test_too_few_values_leave_a_side_open() -> None:
    assert quantile_interval(np.arange(1, 31), 0.99) == (29.0, None)
    assert quantile_interval(np.array([]), 0.5) == (None, None)
    assert quantile(np.array([]), 0.5) is None
    assert quantile(np.array([7.0]), 0.99) == 7.0
    # Worth 40 of 1,000, the p95 has no upper limit, and the lower one is that of 40.
    low, high = quantile_interval(np.arange(1, 1001), 0.95, effective=40.0)
    assert (low, high) == (quantile_interval(np.arange(25, 1001, 25), 0.95)[0], None)


@pytest.mark.parametrize(("k", "n"), [(0, 299), (1, 80), (7, 800), (80, 80)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(k: int, n: int) -> None:
    low, high = share_interval(k, n)
    assert low == pytest.approx(beta.ppf(0.05, k, n - k + 1) if k else 0.0)
    assert high == pytest.approx(beta.ppf(0.95, k + 1, n - k) if k < n else 1.0)
    assert share_interval(0, 0) == (0.0, 1.0)


def test_what_is_needed_decides() -> None:
    for share, limit, n in ((0.0, 0.01, 80), (0.005, 0.01, 200), (0.02, 0.01, 100)):
        more = needed_more(share, limit, n)
        assert more is not None
        low, high = share_interval(share * (n + more), n + more)
        assert high <= limit or low > limit
    assert needed_more(0.01, 0.01, 100) is None


def test_draws_that_depend_on_each_other_are_worth_fewer() -> None:
    rng = np.random.default_rng(1)
    alone = rng.random(10_000) < 0.05
    in_tens = np.repeat(rng.random(1000) < 0.05, 10)
    assert effective_number(alone) > 3000
    assert 400 < effective_number(in_tens) < 2500
    assert effective_number(np.zeros(300)) == 300

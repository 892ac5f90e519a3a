"""The verdict on rows made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from loadtests.verdict.verdict import interval, quantile
from tests.support.verdict_rows import SECOND_US, ended, first, judged, rows_of, unsent


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
    assert judged(rows_of(**ended(1000, "rejected", answered=True)), objectives={})["exit_code"] == 0


@pytest.mark.parametrize(("n_slow", "code"), [(10, 0), (11, 1)])
def test_p99_is_the_order_statistic_of_rank_990_of_1000(n_slow: int, code: int) -> None:
    slow = rows_of(done_us=first(n_slow, pl.col("due_us") + 150_000, "done_us"))
    assert judged(slow)["exit_code"] == code


def test_latency_counts_from_the_due_time() -> None:
    # 90 ms of lateness is too much for a valid run, and not the target's fault.
    verdict = judged(rows_of(sent_us=pl.col("due_us") + 90_000, done_us=pl.col("due_us") + 105_000))
    assert line(verdict, "login.p99_ms")["measured"] == 105.0
    assert (verdict["exit_code"], verdict["valid"]) == (3, False)
    assert verdict["measured"]["endpoints"]["login"]["service_ms"]["p99"] == 15.0


def test_where_no_answer_came_the_time_out_counts() -> None:
    verdict = judged(rows_of(**ended(20, "unknown")))
    assert line(verdict, "login.p99_ms")["measured"] == 1001.0
    assert line(verdict, "login.error_share")["measured"] == 0.02
    assert verdict["exit_code"] == 1


def test_a_quick_refusal_is_no_good_latency() -> None:
    late = {**ended(990, "rejected", answered=True)}
    rows = rows_of(**late).with_columns(
        done_us=pl.col("due_us") + pl.when(pl.col("idx") < 990).then(1500).otherwise(150_000)
    )
    verdict = judged(rows, objectives={"login": {"p50_ms": 100.0}})
    assert line(verdict, "login.p50_ms")["measured"] == 150.0


def test_when_nothing_was_acknowledged_no_latency_objective_is_kept() -> None:
    verdict = judged(rows_of(**ended(1000, "rejected", answered=True)), objectives={"login": {"p99_ms": 100.0}})
    assert (verdict["exit_code"], line(verdict, "login.p99_ms")["measured"]) == (1, None)


def test_a_rate_limit_has_its_own_line() -> None:
    verdict = judged(rows_of(**ended(20, "rate_limited", answered=True)))
    assert line(verdict, "login.error_share")["measured"] == 0.0
    assert line(verdict, "login.rate_limited_share") == {
        "name": "login.rate_limited_share", "limit": 0.01, "measured": 0.02, "passed": False, "conclusive": True,
        "kind": "target", "at_least": False,
    }  # fmt: skip


def test_a_rate_limit_may_have_a_limit_of_its_own() -> None:
    limited = rows_of(**ended(20, "rate_limited", answered=True))
    for limit, code in ((0.02, 0), (0.019, 1)):
        assert judged(limited, objectives={"login": {"rate_limited_share": limit}})["exit_code"] == code


@pytest.mark.parametrize(("n_lost", "code"), [(100, 0), (101, 1)])
def test_a_throughput_is_the_least_that_a_run_must_have_proven(n_lost: int, code: int) -> None:
    # 1,000 requests in 10 s, of which 100 or 101 are refused: 90 or 89.9 a second were acknowledged.
    verdict = judged(
        rows_of(**ended(n_lost, "rejected", answered=True)), objectives={"login": {"throughput_per_s": 90}}
    )
    found = line(verdict, "login.throughput_per_s")
    assert (verdict["exit_code"], found["at_least"], found["limit"]) == (code, True, 90)
    assert found["measured"] == pytest.approx((1000 - n_lost) / 10)


def test_in_an_invalid_run_a_throughput_fails_only_if_the_unsent_could_not_reach_it() -> None:
    shed = rows_of(**unsent(500, "shed"))
    for least, code in ((90.0, 3), (100.1, 1)):
        assert judged(shed, objectives={"login": {"throughput_per_s": least}})["exit_code"] == code


def test_one_shed_request_makes_a_run_invalid() -> None:
    verdict = judged(rows_of(**unsent(1, "shed")))
    assert (verdict["exit_code"], verdict["valid"], verdict["passed"]) == (3, False, False)
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
    shed = unsent(500, "shed")
    slow = rows_of(**shed).with_columns(done_us=first(512, pl.col("due_us") + 150_000, "done_us"))
    slow = slow.with_columns(done_us=pl.when(pl.col("sent_us") < 0).then(-1).otherwise(pl.col("done_us")))
    # 12 of 500 sent were slow, which is more than 1 % of all 1000: broken whatever the other 500 had been.
    verdict = judged(slow)
    assert (verdict["valid"], verdict["exit_code"]) == (False, 1)
    fewer = slow.with_columns(done_us=first(504, pl.col("due_us") + 20_000, "done_us"))
    fewer = fewer.with_columns(done_us=pl.when(pl.col("sent_us") < 0).then(-1).otherwise(pl.col("done_us")))
    # 8 of 500 break the p99 of what was sent, but the 500 unsent might have mended it.
    verdict = judged(fewer)
    assert (line(verdict, "login.p99_ms")["passed"], verdict["exit_code"]) == (False, 3)


def test_in_an_invalid_run_errors_count_only_if_the_unsent_could_not_mend_them() -> None:
    shed = rows_of(**unsent(500, "shed"))
    for n_bad, share, code in ((6, 0.012, 3), (11, 0.022, 1)):
        bad = pl.when(pl.col("idx") >= 1000 - n_bad).then(pl.lit("rejected")).otherwise(pl.col("outcome"))
        verdict = judged(shed.with_columns(outcome=bad))
        assert (line(verdict, "login.error_share")["measured"], verdict["exit_code"]) == (share, code)


def test_a_late_generator_proves_no_latency_but_answered_errors() -> None:
    late: Any = {"sent_us": pl.col("due_us") + 50_000, "done_us": pl.col("due_us") + 400_000}
    assert judged(rows_of(**late))["exit_code"] == 3
    refused = rows_of(**{**late, "outcome": first(20, pl.lit("rejected"), "outcome")})
    assert judged(refused)["exit_code"] == 1


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


def test_headroom_compares_with_the_predicted_peak_and_the_objective() -> None:
    verdict = judged(rows_of(), peaks_per_s={"reads_peak_per_s": 50.0, "tickets_peak_per_s": None})
    rates = verdict["headroom"]["rate_over_predicted_p95_peak"]
    assert rates["reads_peak_per_s"] == {"sent_per_s": 100.0, "predicted_p95_per_s": 50.0, "ratio": 2.0}
    assert rates["tickets_peak_per_s"]["ratio"] is None
    assert verdict["headroom"]["p99_objective_over_measured"] == {"login": 5.0}


def test_the_headroom_of_a_long_run_is_that_of_its_busiest_minute() -> None:
    due = np.concatenate([np.arange(60), 60 + np.arange(120) / 2, 120 + np.arange(60)]) * SECOND_US
    rows = rows_of(len(due), due_us=pl.Series(due.astype(np.int64)))
    rows = rows.with_columns(sent_us=pl.col("due_us"), done_us=pl.col("due_us") + 1)
    verdict = judged(rows, duration_us=180 * SECOND_US, peaks_per_s={"reads_peak_per_s": 1.0})
    assert verdict["headroom"]["rate_over_predicted_p95_peak"]["reads_peak_per_s"]["ratio"] == 2.0


@pytest.mark.parametrize(("n", "q"), [(10, 0.5), (100, 0.95), (1000, 0.99), (5000, 0.5)])
def test_the_interval_of_a_quantile_has_the_ranks_of_the_binomial(n: int, q: float) -> None:
    low, high = interval(np.arange(1, n + 1), q)
    assert low is not None
    upper = n + 1 if high is None else high
    # P(low <= number below the quantile < high), for ranks that are the values themselves.
    assert binom.cdf(upper - 1, n, q) - binom.cdf(low - 1, n, q) >= 0.95 or high is None
    assert binom.cdf(low - 1, n, q) <= 0.025 < binom.cdf(low, n, q)
    if high is not None:
        assert binom.cdf(high - 1, n, q) >= 0.975 > binom.cdf(high - 2, n, q)


def test_too_few_values_leave_a_side_open() -> None:
    assert interval(np.arange(1, 31), 0.99) == (28.0, None)
    assert interval(np.array([]), 0.5) == (None, None)
    assert quantile(np.array([]), 0.5) is None
    assert quantile(np.array([7.0]), 0.99) == 7.0

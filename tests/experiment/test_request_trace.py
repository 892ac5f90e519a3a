"""The trace that the load test replays, and the estimates and expectations over replications."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from sim.core.tables import ARRIVALS, ENDPOINTS, check
from sim.experiment.analysis.estimate import Estimate, estimate, estimates
from sim.experiment.analysis.expectations import judge
from sim.experiment.replication import observe
from sim.experiment.request_trace import PEAKS, arrivals, busiest_window, header, p95_replication
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.model.model import build
from tests.support.run_factory import Estimated
from tests.support.stories import category, rich, story

MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def observed() -> Observation:
    shock = {"crash": {"at": "30 h", "length": "3 h", "withdrawals": 40.0, "tickets": 20.0}}
    return observe(build(rich(shocks=shock)), seed=5, replication=2)


# --- which replication, which hour --------------------------------------------------------------------------------


def test_the_replication_is_the_order_statistic_above_95_percent() -> None:
    assert p95_replication([float(n) for n in range(100)]) == 95
    assert p95_replication([float(-n) for n in range(100)]) == 4
    assert p95_replication([3.0, 1.0, 2.0]) == 0
    assert p95_replication([7.0]) == 0
    assert p95_replication([None, 1.0]) == 1
    assert p95_replication([float(n) for n in range(20)]) == 19


def test_the_window_is_an_hour_around_the_busiest_minute(observed: Observation) -> None:
    begin, end = busiest_window(observed)
    total = np.sum(list(observed.requests.values()), axis=0)
    measured = total[observed.from_ms // 60_000 :]
    assert end - begin == 60
    assert total[begin:end].max() == measured.max()
    assert 54 * 60 - 30 <= begin <= 57 * 60  # day of warm-up, 30 h, and the three hours of the crash


def test_a_window_at_the_edge_of_the_run_stays_inside_it() -> None:
    for at, expected in (("0 h", 1440), ("2879 min", 3 * 1440 - 60)):
        shock = {"x": {"at": at, "length": "1 min", "tickets": 3000.0}}
        scenario = story(days=2, warmup_days=1, shocks=shock, categories={"a": category(60.0)})
        assert busiest_window(observe(build(scenario), seed=1, replication=0)) == (expected, expected + 60)


def test_an_hour_too_full_for_a_trace_is_cut_to_the_minutes_around_the_busiest(
    observed: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = np.sum(list(observed.requests.values()), axis=0)
    hour = busiest_window(observed)
    for most in (int(total[slice(*hour)].sum()) - 1, 500, 0):
        monkeypatch.setattr("sim.experiment.request_trace.REQUESTS_MAX", most)
        begin, end = busiest_window(observed)
        assert begin <= hour[0] + 30 < end
        assert total[begin:end].sum() <= most or end - begin == 1
        assert total[begin:end].max() == total[slice(*hour)].max()


# --- the trace ----------------------------------------------------------------------------------------------------


def test_every_minute_of_the_trace_holds_the_requests_that_the_model_counted(observed: Observation) -> None:
    begin, end = busiest_window(observed)
    table = check(arrivals(observed, (begin, end)), ARRIVALS, "arrivals")
    for name in ENDPOINTS:
        due = table.filter(endpoint=name)["due_us"].to_numpy()
        counts = np.bincount(due // MINUTE_US, minlength=60)
        assert counts.tolist() == observed.requests[name][begin:end].tolist()
        assert counts.sum() > 20
    due = table["due_us"].to_numpy()
    assert (np.diff(due) >= 0).all()
    assert due.min() >= 0
    assert due.max() < 60 * MINUTE_US
    assert table["idx"].to_list() == list(range(len(table)))


def test_a_ticket_is_due_when_the_model_opened_it(observed: Observation) -> None:
    window = busiest_window(observed)
    table = arrivals(observed, window).filter(endpoint="ticket")
    opened = observed.ticket_opened_ms
    inside = np.sort(opened[(opened >= window[0] * 60_000) & (opened < window[1] * 60_000)])
    assert table["due_us"].to_list() == ((inside - window[0] * 60_000) * 1000).tolist()
    assert set(table["kind"]) == {"howto", "payout"}
    bot = sum(((b >= window[0] * 60_000) & (b < window[1] * 60_000)).sum() for b in observed.bot_opened_ms[:1])
    human = observed.root & (observed.demand.category == 0)
    times = observed.outcome.opened_ms[human]
    howto = bot + ((times >= window[0] * 60_000) & (times < window[1] * 60_000)).sum()
    assert (table["kind"] == "howto").sum() == howto


def test_assets_amounts_customers_and_payloads_have_their_laws(observed: Observation) -> None:
    table = arrivals(observed, (1440, 4 * 1440))
    out = table.filter(endpoint="withdrawal")
    n = len(out)
    assert n > 3000
    assert abs((out["kind"].to_numpy() == "BTC").mean() - 0.4) < 4 * np.sqrt(0.24 / n)
    amounts = out["amount"].to_numpy()
    assert amounts.min() >= 1
    assert abs(np.log(amounts).mean() - (np.log(50_000) - np.log(5) / 2)) < 4 * np.sqrt(np.log(5) / n)
    known = table.filter(~pl.col("endpoint").is_in(["signup", "kyc", "deposit"]))
    assert table.join(known, on="idx", how="anti")["customer"].min() >= 20_000  # newcomers have numbers of their own
    for name in ("customer", "payload_seed"):
        values = known[name].to_numpy()
        assert values.min() >= 0
        scale = 20_000 if name == "customer" else 2**53
        assert values.max() < scale
        assert abs(values.mean() / scale - 0.5) < 4 / np.sqrt(12 * len(values))
    assert (table.filter(endpoint="login")["amount"] == 0).all()
    assert set(table.filter(endpoint="login")["kind"]) == {""}
    assert table["payload_seed"].n_unique() == len(table)


def test_a_campaign_s_spam_is_in_the_trace_as_near_duplicates() -> None:
    wave = {"at": "0 h", "length": "3 h", "posts": 100.0, "spam_per_post": 10.0}
    observed = observe(build(rich(campaigns={"wave": wave})), seed=5, replication=2)
    without = observe(build(rich()), seed=5, replication=2)
    begin = observed.from_ms // 60_000
    rows = arrivals(observed, (begin, begin + 60)).filter(endpoint="ticket")
    spam = rows.filter(kind="spam")
    inside = observed.demand.spam_ms[observed.demand.spam_ms < observed.from_ms + 3_600_000]
    assert spam["due_us"].to_list() == ((inside - observed.from_ms) * 1000).tolist()
    assert abs(len(spam) - 1000 / 3) < 4 * np.sqrt(1000 / 3)
    assert spam["payload_seed"].n_unique() == 4
    assert len(rows) == observed.requests["ticket"][begin : begin + 60].sum()
    assert (observed.requests["ticket"] - without.requests["ticket"]).sum() == len(observed.demand.spam_ms)


def test_a_part_of_a_window_is_the_same_requests(observed: Observation) -> None:
    begin, end = busiest_window(observed)
    whole = arrivals(observed, (begin, end))
    part = arrivals(observed, (begin + 10, begin + 11))
    cut = whole.filter((whole["due_us"] >= 10 * MINUTE_US) & (whole["due_us"] < 11 * MINUTE_US))
    assert part.drop("idx", "due_us").equals(cut.drop("idx", "due_us"))
    assert (part["due_us"] + 10 * MINUTE_US).to_list() == cut["due_us"].to_list()


def test_the_header_says_whence_the_trace_is_and_what_was_predicted(observed: Observation) -> None:
    begin, end = busiest_window(observed)
    peaks = estimates([measure(observed)])
    found = header(observed, (begin, end), peaks, "ab" * 32)
    assert all(isinstance(value, str) for value in found.values())
    assert (found["seed"], found["replication"], found["model_sha256"]) == ("5", "2", "ab" * 32)
    assert found["window_ms"] == "3600000"
    day, minute = divmod(begin, 1440)
    assert found["window_start_utc"] == f"2026-01-{5 + day:02}T{minute // 60:02}:{minute % 60:02}:00Z"
    predicted = json.loads(found["predicted"])
    assert predicted["per_minute"]["login"] == observed.requests["login"][begin:end].tolist()
    assert predicted["peak_per_s"]["ticket"] == observed.requests["ticket"][begin:end].max() / 60
    own = {f"requests_peak_per_s.{name}" for name, counts in observed.measured_requests.items() if counts.any()}
    assert set(predicted["whole_run_peak_per_s"]) == set(PEAKS) | own
    assert "requests_peak_per_s.login" in own
    assert predicted["whole_run_peak_per_s"]["requests_peak_per_s"]["p95"] == peaks["requests_peak_per_s"].p95


# --- estimates ----------------------------------------------------------------------------------------------------


def test_an_estimate_by_hand() -> None:
    one = estimate("backlog_peak", [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (one.mean, one.p50, one.replications, one.undefined, one.unit) == (3.0, 3.0, 5, 0, "tickets")
    assert one.half_width == pytest.approx(2.7764451052 * np.sqrt(2.5 / 5))
    assert (one.p05, one.p95) == (pytest.approx(1.2), pytest.approx(4.8))


def test_values_that_do_not_exist_are_left_out_and_counted() -> None:
    some = estimate("drain_days.x", [None, 4.0, None, 6.0])
    assert (some.mean, some.replications, some.undefined, some.total) == (5.0, 2, 2, 4)
    assert "no value in 2 of 4 replications" in str(some)
    none = estimate("drain_days", [None, None])
    assert none == Estimate("days", None, None, None, None, None, 0, 2)
    assert str(none) == "no value"
    alone = estimate("drain_days", [4.0])
    assert (alone.mean, alone.half_width) == (4.0, None)
    assert set(alone.as_json()) >= {"unit", "mean", "half_width", "p05", "p50", "p95", "replications"}
    json.dumps(none.as_json(), allow_nan=False)


def test_estimates_are_in_the_order_of_the_metrics() -> None:
    found = estimates([{"backlog_peak": 1.0, "occupancy": None}, {"backlog_peak": 3.0, "occupancy": 0.5}])
    assert list(found) == ["backlog_peak", "occupancy"]
    assert found["backlog_peak"].mean == 2.0
    assert found["occupancy"].undefined == 1


# --- expectations -------------------------------------------------------------------------------------------------


def test_an_expectation_is_judged_by_the_mean_and_what_has_no_value_fails() -> None:
    metrics = {"backlog_peak": estimate("backlog_peak", [10.0, 20.0]), "drain_days": estimate("drain_days", [None])}

    def passed(**expect: str) -> list[bool]:
        return [each.passed for each in judge(expect, Estimated(metrics))]

    assert passed(backlog_peak="15..16") == [True]
    assert passed(backlog_peak="14..15") == [True]
    assert passed(backlog_peak="16..99") == [False]
    assert passed(backlog_peak="> 14", drain_days="> 0") == [True, False]
    assert passed(backlog_peak="< 14") == [False]
    one = judge({"backlog_peak": "< 14"}, Estimated(metrics))[0]
    assert (one.metric, one.limit, one.value) == ("backlog_peak", "< 14", 15.0)


def test_strict_bounds_leave_out_their_limit() -> None:
    run = Estimated({"backlog_peak": estimate("backlog_peak", [15.0, 15.0])})
    for limit in ("> 15", "< 15"):
        assert not judge({"backlog_peak": limit}, run)[0].passed
    assert judge({"backlog_peak": "15..15"}, run)[0].passed

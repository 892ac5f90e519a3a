"""One plan on several workers, without a process: the deal, the clocks, what is told, what a loss leaves behind."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.core.faults import GeneratorError, InputError, LawError
from loadtests.dialect.contract import Arrival, Outcome
from loadtests.dialects import load
from loadtests.plan.accounts import Account, Pool
from loadtests.plan.plan import Plan, add_arguments, make_plan
from loadtests.plan.pool import pooled
from loadtests.replay import master, protocol
from loadtests.replay.master import Master
from loadtests.replay.protocol import Feed, JournalFeed, MergedRows, deal, journalled, offset, stretches
from loadtests.replay.sender import Sent
from loadtests.replay.worker import Worker
from loadtests.transport.driver import Poller, SendLimits
from loadtests.transport.recorder import Recorder, merge
from tests.support.servers.staging_client import ENVIRON
from tests.support.trace_factory import make_run, steady

RATES = {"withdrawal": 20.0, "withdrawal_status": 20.0, "ticket": 10.0}
OK, NO = Outcome("acknowledged", "", "id"), Outcome("rejected", "400")


def plan_of(tmp_path: Path, *options: str) -> Plan:
    folder = tmp_path / "results" / "run"
    if not folder.exists():
        make_run(folder, steady(RATES, 2.0), window_ms=2000)
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_argument)
    chosen = parser.parse_args(["--window", "2 s", *options])
    return make_plan(run=str(folder), url="http://127.0.0.1:1", options=chosen, environ=ENVIRON)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path)


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7, 200])
def test_each_row_is_dealt_to_one_worker_and_all_alike(plan: Plan, n_workers: int) -> None:
    shards = deal(plan.schedule, n_workers, plan.dialect)
    counts = np.bincount(shards, minlength=n_workers)
    assert counts.sum() == len(plan.schedule.due_us) == 100
    assert counts.max() - counts.min() <= 1
    parts = [protocol.part_of(plan.schedule, np.flatnonzero(shards == k)) for k in range(n_workers)]
    assert pl.concat([part.arrivals for part in parts]).sort("idx").equals(plan.schedule.arrivals)
    assert sorted(np.concatenate([part.due_us for part in parts])) == plan.schedule.due_us.tolist()


class InLanes:
    def lane(self, arrival: Arrival) -> int:
        return arrival.customer % 10


def test_where_order_matters_one_worker_has_the_whole_lane(plan: Plan) -> None:
    shards = deal(plan.schedule, 3, InLanes())  # type: ignore[arg-type]
    lanes = plan.schedule.arrivals["customer"].to_numpy() % 10
    assert all(len(set(shards[lanes == lane])) == 1 for lane in range(10))
    assert set(shards) == {0, 1, 2}


def test_one_key_whose_nonce_rises_is_one_workers(plan: Plan) -> None:
    keys = {"WITHSTAND_KRAKEN_KEY": "rising-key", "WITHSTAND_KRAKEN_SECRET": "c2VjcmV0"}
    assert set(deal(plan.schedule, 3, load("kraken", keys))) == {0}
    pool = Pool("pool.toml", tuple(Account(name, keys, (name,), ()) for name in "abcde"), exceed=False)
    shards = deal(plan.schedule, 3, pooled(pool, "kraken", {}))
    assert set(shards) == {0, 1, 2}
    assert {len(set(shards[pool.places(plan.schedule) == place])) for place in range(5)} == {1}


def test_an_in_flight_cap_is_split_and_never_exceeded(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "--in-flight", "7")
    shards = deal(plan.schedule, 3, plan.dialect)
    assert protocol.in_flight_shares(plan, shards, 3) == [3, 2, 2]
    with pytest.raises(InputError, match="--in-flight: got 7; must be at least 1 for each of 8 workers"):
        protocol.in_flight_shares(plan, shards, 8)


def test_without_a_cap_of_ones_own_each_worker_may_wait_for_a_dead_target(plan: Plan) -> None:
    shares = protocol.in_flight_shares(plan, deal(plan.schedule, 3, plan.dialect), 3)
    assert all(share >= 50 / 3 * plan.limits.timeout_s for share in shares)


def test_what_differs_is_named(plan: Plan, tmp_path: Path) -> None:
    mine = protocol.facts(plan)
    assert protocol.mismatches(mine, protocol.facts(plan_of(tmp_path)), "w") == []
    other = protocol.facts(plan_of(tmp_path, "--speedup", "2", "--timeout", "3 s"))
    found = protocol.mismatches(mine, other, "worker 1")
    assert [line.split(";")[0] for line in found[:2]] == [
        "worker 1: --speedup: got 2.0",
        "worker 1: --timeout: got 3 s",
    ]
    assert len(found) == 3
    assert "must be the master's 1.0" in found[0]
    assert len(protocol.mismatches(mine, {}, "w")) == len(mine)
    assert protocol.identity(mine) != protocol.identity(other)


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=20),
)
def test_a_clock_offset_is_never_off_by_more_than_it_says(ahead_s: float, ways: list[tuple[float, float]]) -> None:
    trips = [(5.0 + i, 5.0 + i + there + ahead_s, 5.0 + i + there + back) for i, (there, back) in enumerate(ways)]
    found = offset(trips)
    assert abs(found.ahead_s - ahead_s) <= found.uncertainty_s + 1e-9
    assert found.uncertainty_s == pytest.approx(min(there + back for there, back in ways) / 2, abs=1e-9)


def feeds(plan: Plan, n_workers: int) -> tuple[MergedRows, list[Feed]]:
    shards = deal(plan.schedule, n_workers, plan.dialect)
    whole = MergedRows(plan.schedule, shards)
    own = [whole.own(k) for k in range(n_workers)]
    return whole, [Feed(protocol.part_of(plan.schedule, part), part) for part in own]


def act(recorder: Recorder, i: int, what: int) -> None:
    """Let one of five things happen to a row."""
    if what == 0:
        recorder.shed(i, "cap")
    elif what == 1:
        recorder.refuse(i, "no")
    elif what >= 2:
        recorder.sent(i, int(recorder.due_us[i]) + 700, f"k{recorder.due_us[i]}")
    if what >= 3:
        recorder.ended(i, int(recorder.due_us[i]) + 5000, 200 * (what - 3), NO if what == 3 else OK)


def test_told_row_by_row_the_whole_equals_a_recorder_that_saw_everything(plan: Plan) -> None:
    whole, parts = feeds(plan, 3)
    alone, rng = Recorder(plan.schedule), np.random.default_rng(1)
    for k, feed in enumerate(parts):
        for i, at in enumerate(feed.own.tolist()):
            what = int(rng.integers(6))
            act(feed, i, what)
            act(alone, at, what)
            if rng.random() < 0.2:
                whole.take(k, feed.news())
    for k, feed in enumerate(parts):
        whole.take(k, feed.news())
        whole.must_agree(k, feed.totals())
        assert feed.news()["at"] == []
    assert whole.frame().equals(alone.frame())
    assert whole.counts() == alone.counts()
    total = protocol.merged([feed.histograms() for feed in parts])
    for kind, of in alone.histograms().items():
        for name, text in of.items():
            ours, theirs = merge([total[kind][name]]), merge([text])
            assert ours.get_total_count() == theirs.get_total_count()
            assert ours.get_value_at_percentile(99) == theirs.get_value_at_percentile(99)


def test_a_worker_without_rows_adds_nothing(plan: Plan) -> None:
    whole, parts = feeds(plan, 101)
    for k, feed in enumerate(parts):
        for i in range(len(feed.own)):
            act(feed, i, 4)
        whole.take(k, feed.news())
        whole.must_agree(k, feed.totals())
    assert [len(feed.own) for feed in parts] == [1] * 100 + [0]
    total = protocol.merged([feed.histograms() for feed in parts])
    assert sum(merge([text]).get_total_count() for text in total["latency"].values()) == 100


def test_a_long_list_of_news_is_told_in_parts(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ROWS_A_MESSAGE", 20)
    whole, (feed,) = feeds(plan, 1)
    for i in range(100):
        act(feed, i, 4)
    sizes = []
    while (rows := feed.news())["at"]:
        sizes.append(len(rows["at"]))
        whole.take(0, rows)
    assert sizes == [20] * 5
    whole.must_agree(0, feed.totals())


def test_rows_that_do_not_add_up_are_noticed(plan: Plan) -> None:
    whole, (one, two) = feeds(plan, 2)
    act(one, 0, 4)
    rows = one.news()
    with pytest.raises(LawError, match="worker 1 reported rows that another one sends"):
        whole.take(1, rows)
    whole.take(0, rows)
    with pytest.raises(LawError, match="twice"):
        whole.take(0, rows)
    act(one, 1, 4)
    with pytest.raises(LawError, match="worker 0 counted"):
        whole.must_agree(0, one.totals())
    whole.must_agree(1, two.totals())


def test_what_a_lost_worker_leaves_behind(plan: Plan) -> None:
    """Of 50 rows, 10 have ended, 2 are under way, and nobody knows of those due until the 20th."""
    whole, (one, _) = feeds(plan, 2)
    for i in range(12):
        act(one, i, 4 if i < 10 else 2)
    whole.take(0, one.news())
    until_us = int(one.due_us[19])
    whole.lose(0, until_us, None)
    idx = one.own.tolist()
    left = whole.unsent(0)
    assert left["unknown_fate"] == [{"first_idx": idx[10], "last_idx": idx[19], "count": 10}]
    assert left["not_sent"] == [{"first_idx": idx[20], "last_idx": idx[49], "count": 30}]
    assert whole.counts() | {"planned": 100} == {
        "planned": 100, "acknowledged": 10, "rejected": 0, "rate_limited": 0, "unknown": 10, "shed": 0, "not_sent": 80,
    }  # fmt: skip
    assert protocol.told(left["not_sent"]) == f"30 (idx {idx[20]} to {idx[49]})"
    sent = sent_of(whole)
    judged, books = sent.to_judge(), sent.to_reconcile()
    assert set(judged["outcome"]) == {"acknowledged", "not_sent"}
    assert judged.filter(pl.col("sent_us") >= 0).height == 10
    assert books.filter(pl.col("sent_us") >= 0).height == 20
    assert whole.frame().filter(pl.col("sent_us") >= 0).height == 12


def sent_of(whole: MergedRows) -> Sent:
    nothing: dict[str, Any] = {"elapsed_s": 1.0, "cpu_s": 1.0, "wall_drift_ms": 0.0, "area_us": None, "span_us": 1}
    return Sent(recorder=whole, started_utc=None, histograms={}, lost=whole.lost, **nothing)  # type: ignore[arg-type]


def test_a_lost_workers_journal_settles_its_writes(plan: Plan, tmp_path: Path) -> None:
    whole, (one, _) = feeds(plan, 2)
    journal = JournalFeed(tmp_path / "journals" / "one.jsonl")
    rows = plan.schedule.arrivals
    writes = [i for i, at in enumerate(one.own) if rows["endpoint"][int(at)] in ("withdrawal", "ticket")][:3]
    for i in writes[:2]:
        journal.sent(int(one.own[i]), f"k{i}", b"{}", int(one.due_us[i]))
    journal.done(int(one.own[writes[0]]), 10, 20, OK)
    journal.close()
    text = journal.path.read_text() + '{"idx":7,"cut sho'
    until_us = int(one.due_us[writes[2]])
    whole.lose(0, until_us, journalled(text, rows["idx"].to_numpy()))
    ended, open_, never = (int(one.own[i]) for i in writes)
    assert (whole.outcome[ended], whole.done_us[ended], whole.server_id[ended]) == ("acknowledged", 20, "id")
    assert (whole.outcome[open_], whole.key[open_], whole.lost[open_]) == ("unknown", f"k{writes[1]}", True)
    assert (whole.outcome[never], whole.lost[never]) == ("not_sent", False)
    journal.remove()
    assert not journal.path.parent.exists()


def test_stretches_by_hand() -> None:
    idx = np.array([3, 5, 7, 9, 11, 13])
    assert stretches(idx, np.zeros(6, dtype=bool)) == []
    assert stretches(idx, np.array([1, 1, 0, 0, 1, 1], dtype=bool)) == [
        {"first_idx": 3, "last_idx": 5, "count": 2},
        {"first_idx": 11, "last_idx": 13, "count": 2},
    ]


def test_only_a_process_beside_this_one_can_be_called_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    place = {**protocol.here(), "pid": child.pid}
    assert not protocol.is_dead(place)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie, until somebody waits for it
    assert protocol.is_dead(place)
    child.wait()
    assert protocol.is_dead(place)
    assert not protocol.is_dead({**place, "space": "another machine"})
    assert not protocol.is_dead({**place, "space": ""})
    assert not protocol.is_dead({**place, "pid": os.getpid()})
    assert child.stdin is not None
    child.stdin.close()


def test_the_watch_judges_the_sums() -> None:
    limits = SendLimits(in_flight=1, in_flight_wanted=1, timeout_s=1.0, abort_after_s=1.0)
    watch = Poller(limits)
    assert [watch.look(n * 20, n * 9, 0.0) for n in range(12)] == [""] * 12
    found = [watch.look(240 + n * 20, 99 + n * 15, 0.0) for n in range(12)]
    assert next(line for line in found if line) == "45 of the last 80 requests failed"
    assert watch.failing_share == pytest.approx(45 / 80)


def test_the_watch_ends_a_run_at_a_low_rate_too() -> None:
    # One request in four looks, all of them failing: fewer than 50 within five seconds, and 50 after fifty.
    watch = Poller(SendLimits(in_flight=1, in_flight_wanted=1, timeout_s=1.0))
    found = [watch.look(n // 4, n // 4, 0.0) for n in range(220)]
    assert found.index("50 of the last 50 requests failed") == 200
    healthy = Poller(SendLimits(in_flight=1, in_flight_wanted=1, timeout_s=1.0))
    assert not any(healthy.look(n // 4, n // 16, 0.0) for n in range(400))


class Line:
    """A master's wire to one scripted worker, whose clock is ``ahead_s`` and whose answers take ``there_s``."""

    def __init__(self, plan: Plan, *, ahead_s: float = 0.0, there_s: float = 0.0, facts: Any = None) -> None:
        self.master = Master(plan, self)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._ahead_s, self._there_s, self.silent = ahead_s, there_s, False
        place = {"host": "box", "pid": 1, "space": ""}
        self.master.receive("w", "hello", {"facts": facts or protocol.facts(plan), "place": place})

    def workers(self) -> list[str]:
        return ["w"]

    def send(self, to: str, kind: str, data: dict[str, Any]) -> None:
        self.sent.append((kind, data))
        if kind == "ping":
            number = data["number"]
            gevent.spawn_later(self._there_s, lambda: self._answer("pong", {"number": number, "now_s": self.now_s()}))
        if kind == "prepare":
            gevent.spawn(self._answer, "ready", {"planned": 100, "journal": "nowhere"})

    def now_s(self) -> float:
        return time.perf_counter() + self._ahead_s

    def _answer(self, kind: str, data: dict[str, Any]) -> None:
        if not self.silent:
            self.master.receive("w", kind, data)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.sent if kind != "ping"]


def test_the_common_start_is_told_in_the_workers_own_clock(plan: Plan, tmp_path: Path) -> None:
    line = Line(plan, ahead_s=4321.0)
    line.master.prepare()
    line.master.abort("enough")
    running = gevent.spawn(line.master.send, tmp_path, lambda ended: None, lambda sent, planned: None)
    gevent.sleep(0)
    before_s = line.now_s()
    order = next(data for kind, data in line.sent if kind == "go")
    assert order["start_s"] - before_s == pytest.approx(master.START_S, abs=0.5)
    totals = Feed(plan.schedule, np.arange(100)).totals()
    measured = {"area_us": 0, "span_us": 1, "cpu_s": 0.0, "elapsed_s": 0.0, "wall_drift_ms": 0.0, "aborted": "enough"}
    empty = {kind: {} for kind in ("lateness", "service", "latency")}
    line.master.receive("w", "done", {**measured, **totals, "histograms": empty, "messages": 0})
    sent = running.get(timeout=10)
    line.master.close()
    assert sent.recorder.counts()["not_sent"] == 100
    clock = sent.workers[0]["clock"]
    assert clock["ahead_ms"] == pytest.approx(4321e3, abs=clock["uncertainty_ms"] + 0.01)
    assert (sent.aborted, list(sent.flaws)) == ("enough", [])
    assert line.kinds() == ["prepare", "abort", "go", "abort", "bye"]


def test_a_worker_whose_messages_were_lost_on_the_way_is_lost(plan: Plan, tmp_path: Path) -> None:
    line = Line(plan)
    line.master.prepare()
    running = gevent.spawn(line.master.send, tmp_path, lambda ended: None, lambda sent, planned: None)
    gevent.sleep(0)
    feed = Feed(plan.schedule, np.arange(100))
    for i in range(60):
        act(feed, i, 4)
        if i == 29:
            line.master.receive(
                "w", "report", {"sent": 30, "closed": 30, "failed": 0, "behind_s": 0.0, "rows": feed.news()}
            )
    feed.news()  # told, and never seen again
    measured = {"area_us": 0, "span_us": 1, "cpu_s": 0.0, "elapsed_s": 0.0, "wall_drift_ms": 0.0, "aborted": ""}
    line.master.receive("w", "done", {**measured, **feed.totals(), "histograms": feed.histograms(), "messages": 2})
    sent = running.get(timeout=10)
    assert next(iter(sent.flaws)).startswith("worker 0 (box, process 1) was lost (1 of its messages did not arrive)")
    assert sent.recorder.counts()["acknowledged"] == 30
    assert sent.mean_in_flight() is None
    line.master.close()
    assert "bye" not in line.kinds()


def test_a_clock_that_cannot_be_read_closely_is_refused(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master, "SYNC_PINGS", 3)
    line = Line(plan, there_s=0.02)
    with pytest.raises(GeneratorError, match=r"the clock of a worker \(box, process 1\) is known to 1\d\.\d ms only"):
        line.master.prepare()
    assert line.kinds() == ["refuse", "bye"]


def test_a_clock_that_moves_during_the_run_makes_it_invalid(plan: Plan) -> None:
    line = Line(plan)
    line.master.prepare()
    (peer,) = line.master._team
    line.master.close()
    peer.round_trips = [(float(n), n + 0.5001 + 0.03, n + 0.0002 + 1.0) for n in range(40)]
    peer.synced = protocol.Offset(0.0, 0.001)
    assert line.master._flaws(peer, line.master._whole) == []  # type: ignore[arg-type]
    peer.round_trips = [(float(n), n + 0.03, n + 0.0002) for n in range(40)]
    (flaw,) = line.master._flaws(peer, line.master._whole)  # type: ignore[arg-type]
    assert flaw == "the clock of worker 0 (box, process 1) moved by 29.9 ms during the run"


def test_another_plan_is_refused_by_name(plan: Plan, tmp_path: Path) -> None:
    line = Line(plan, facts=protocol.facts(plan_of(tmp_path, "--speedup", "2")))
    with pytest.raises(InputError, match=r"a worker \(box, process 1\): --speedup: got 2.0; must be the master's 1.0"):
        line.master.prepare()
    assert line.kinds() == ["refuse", "bye"]


def test_no_worker_is_no_run(plan: Plan) -> None:
    line = Line(plan)
    line.workers = list  # type: ignore[method-assign,assignment]
    with pytest.raises(GeneratorError, match="no worker is connected"):
        line.master.prepare()


def run_worker(plan: Plan, *, tell: Callable[..., None], announce_s: float = 0.1) -> None:
    Worker(plan, tell, lambda ended: None).run(announce_s)


def test_a_worker_without_a_master_gives_up(plan: Plan) -> None:
    told: list[str] = []
    with pytest.raises(GeneratorError, match="the master gave no answer"):
        run_worker(plan, tell=lambda kind, data: told.append(kind))
    assert told[0] == "hello"
    assert told[-1] == "failed"


def test_a_worker_sends_nothing_once_its_lease_is_out(plan: Plan) -> None:
    worker = Worker(plan, lambda kind, data: None, lambda ended: None)
    assert worker._why_not() == ""
    now_s = time.perf_counter()
    worker.receive("ping", {"number": 1, "sent_s": now_s - 2.0})
    assert worker._why_not() == ""
    worker.receive("ping", {"number": 2, "sent_s": now_s - 3.1})
    assert worker._why_not() == "", "an older order that was overtaken takes nothing away"
    worker._lease_s -= 1.1
    assert worker._why_not() == "the master was lost"


def test_a_message_that_was_long_on_its_way_renews_no_lease(plan: Plan) -> None:
    worker = Worker(plan, lambda kind, data: None, lambda ended: None)
    worker.receive("ping", {"number": 1, "sent_s": time.perf_counter() - 3.1})
    assert worker._why_not() == "the master was lost"


def test_the_lease_is_told_in_the_workers_own_clock(plan: Plan) -> None:
    line = Line(plan, ahead_s=4321.0)
    line.master.prepare()
    gevent.sleep(0)
    line.master.close()
    leases = [data["sent_s"] for kind, data in line.sent if kind == "ping" and "sent_s" in data]
    assert leases
    assert all(line.now_s() - 3.0 < lease <= line.now_s() for lease in leases)


def test_a_lost_worker_is_told_to_stop(plan: Plan, tmp_path: Path) -> None:
    line = Line(plan)
    line.master.prepare()
    running = gevent.spawn(line.master.send, tmp_path, lambda ended: None, lambda sent, planned: None)
    gevent.sleep(0)
    (peer,) = line.master._team
    line.silent = True
    peer.heard_s -= 3.1
    sent = running.get(timeout=10)
    line.master.close()
    assert "silent for" in next(iter(sent.flaws))
    assert next(data["reason"] for kind, data in line.sent if kind == "abort").startswith("silent for")


def test_a_second_interrupt_waits_for_no_worker(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master, "HURRY_S", 0.0)
    line = Line(plan)
    line.master.prepare()
    running = gevent.spawn(line.master.send, tmp_path, lambda ended: None, lambda sent, planned: None)
    gevent.sleep(0)
    line.master.interrupt("interrupted")
    assert "hurry" not in line.kinds()
    assert not line.master.hurry.is_set()
    line.master.interrupt("interrupted")
    sent = running.get(timeout=10)
    line.master.close()
    assert line.kinds().count("hurry") == 1
    assert (sent.aborted, line.master.hurry.is_set()) == ("interrupted", True)
    assert "it did not end at once" in next(iter(sent.flaws))


def test_the_facts_are_plain_values(plan: Plan) -> None:
    assert json.loads(json.dumps(protocol.facts(plan))) == protocol.facts(plan)
    assert protocol.facts(replace(plan, prefix="another")) == protocol.facts(plan)

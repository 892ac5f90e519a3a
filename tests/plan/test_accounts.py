"""A few test accounts for many customers: the pool file, the mapping, limits, funds, the cleanup, runs end to end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loadtests.core.faults import InputError
from loadtests.core.redact import MARK
from loadtests.core.schedule import Schedule, Window, cut, read_trace
from loadtests.dialect.contract import (
    Answer,
    Arrival,
    Cancelling,
    Closing,
    Glancing,
    Holdings,
    Known,
    Outcome,
    ReadError,
    Request,
    Spending,
    Ticket,
    Withdrawal,
)
from loadtests.dialect.payload import ticket_text
from loadtests.plan import accounts, funds, target
from loadtests.plan.accounts import Pool, exceeded, rate_faults, read_pool
from loadtests.plan.pool import pooled
from loadtests.reconciliation import cleanup
from loadtests.transport.client import NoAnswerError
from loadtests.transport.echoes import outcome_of
from loadtests.verdict.summary import plain_lines
from sim.core.tables import REQUESTS
from sim.scenario import load as scenario
from tests.support.plans import faults, planned
from tests.support.servers import loadtest_run
from tests.support.servers.loadtest_run import MIXED, load, results, run_of
from tests.support.servers.staging_client import ENVIRON, staging
from tests.support.servers.tiny_server import Reply, TinyServer
from tests.support.trace_factory import arrivals_at, make_run
from tests.tools.dialect_contract import ENVIRONS, PREFIX

GATE = {"ONE_KEY": "key-one", "ONE_SECRET": "secret-one", "TWO_KEY": "key-two", "TWO_SECRET": "secret-two"}


def gate_pool(folder: Path, *, head: str = "", one: str = "", two: str = "") -> str:
    """Write a pool of two accounts at Gate, and return its path."""
    text = head
    for name, more in (("one", one), ("two", two)):
        keys = ", ".join(f'WITHSTAND_GATE_{part} = "{name.upper()}_{part}"' for part in ("KEY", "SECRET"))
        text += f"\n[accounts.{name}]\nsecrets = {{ {keys} }}\n{more}\n"
    path = folder / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def at(folder: Path, due_us: list[int], endpoint: str = "withdrawal") -> Schedule:
    """Return a schedule of withdrawals at the given times."""
    run = make_run(folder / "run", arrivals_at(np.array(due_us), [endpoint] * len(due_us)))
    return cut(read_trace(run / "arrivals.parquet"), Window(60_000_000))


def pool_of(folder: Path, **parts: str) -> Pool:
    return read_pool(gate_pool(folder, **parts), "gate", GATE)


# --- the file ---


def test_each_account_has_its_own_keys_and_settings(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, two='settings = { WITHSTAND_GATE_FEE = "net" }')
    one, two = pool.accounts
    assert one.environ == {"WITHSTAND_GATE_KEY": "key-one", "WITHSTAND_GATE_SECRET": "secret-one"}
    assert two.environ["WITHSTAND_GATE_FEE"] == "net"
    dialect = pooled(pool, "gate", {})
    keys = {dialect.request(Arrival(1, "withdrawal", "BTC", n, 1, 1), Known("p-")).headers["KEY"] for n in range(50)}
    assert keys == {"key-one", "key-two"}


def test_every_fault_of_a_pool_is_told_and_no_key_shown(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("""
        exceed = 1
        exced = true
        [accounts.a]
        secrets = { WITHSTAND_GATE_KEY = "9f86d081884c7d659a2f", WITHSTAND_GATE_SECRET = "NOT_SET", OTHER = "X" }
        settings = { WITHSTAND_GATE_FEE = 3 }
        limits = [
            { requests = 0, per = "1 s" }, { requests = 5, per = 1 }, { requests = 5 }, { requests = 1, per = "0 s" },
        ]
        speed = 3
        [accounts.b]
        secrets = 7
        limits = 5
    """)
    with pytest.raises(InputError) as caught:
        read_pool(str(path), "gate", {})
    told = [fault.removeprefix(f"{path}: ") for fault in caught.value.faults]
    list_rule = 'must be a list such as [{ requests = 10, per = "1 s" }]'
    duration = 'must be a duration in quotes: a number and one of ms, s, min, h, d, w (such as "12 min"), above 0'
    assert sorted(told) == sorted([
        "exced: got a key; must be exceed or accounts",
        "exceed: got 1; must be true or false",
        "accounts.a.speed: got a key; must be one of secrets, settings, limits",
        "accounts.a.secrets.OTHER: got a key; must be one of WITHSTAND_GATE_KEY, WITHSTAND_GATE_SECRET",
        "accounts.a.settings.WITHSTAND_GATE_FEE: got int; must be a text",
        "accounts.a.secrets.WITHSTAND_GATE_KEY: got something else; must be the name of an environment variable, "
        "in capitals",
        "environment: NOT_SET: got nothing; must hold WITHSTAND_GATE_SECRET of the account a",
        "accounts.a.limits.0.requests: got 0; must be a whole number above 0",
        f"accounts.a.limits.1.per: got 1; {duration}",
        f"accounts.a.limits.2: got {{'requests': 5}}; {list_rule}",
        f"accounts.a.limits.3.per: got '0 s'; {duration}",
        "accounts.b.secrets: got 7; must be a table",
        "environment: WITHSTAND_GATE_KEY: got nothing; must hold WITHSTAND_GATE_KEY of the account b",
        "environment: WITHSTAND_GATE_SECRET: got nothing; must hold WITHSTAND_GATE_SECRET of the account b",
        f"accounts.b.limits: got 5; {list_rule}",
    ])  # fmt: skip
    assert "9f86d081" not in str(caught.value)


def test_a_file_that_is_no_pool_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    for text in (None, "x = [", "", "accounts = 3", "[accounts]"):
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=r"must (be a TOML file of accounts|hold at least one table)"):
            read_pool(str(path), "gate", GATE)


def test_two_accounts_with_one_key_are_one_too_many(tmp_path: Path) -> None:
    path = gate_pool(tmp_path)
    with pytest.raises(InputError, match=r"accounts\.two: got the keys of one; must be another account"):
        read_pool(path, "gate", GATE | {"TWO_KEY": "key-one", "TWO_SECRET": "secret-one"})


# --- who gets which account ---


def test_customers_are_mapped_by_a_hash_that_every_machine_shares(tmp_path: Path) -> None:
    pool = pool_of(tmp_path)
    for customer in (1, 42, 9_000_000):
        digest = hashlib.sha256(str(customer).encode()).hexdigest()
        assert pool.place_of(customer) == int(digest[:16], 16) % 2
    assert [pool.place_of(n) for n in (1, 2, 3, 4, 5, 6)] == [1, 0, 1, 0, 1, 1]
    share = Counter(pool.place_of(n) for n in range(10_000))
    assert min(share.values()) > 4_800


def test_reads_ask_only_for_what_the_same_account_has(tmp_path: Path) -> None:
    pool = pool_of(tmp_path)
    dialect = pooled(pool, "gate", {})
    run_known, body = Known(PREFIX, "theirs", ["theirs"]), json.dumps({"id": "w1"}).encode()
    first = {place: next(n for n in range(99) if pool.place_of(n) == place) for place in (0, 1)}
    asked = Arrival(7, "withdrawal_status", "", first[0], 0, 5)
    assert "ws-0a1b2c3d4e-none" in dialect.request(asked, run_known).path
    write = Arrival(3, "withdrawal", "BTC", first[0], 100, 5)
    dialect.request(write, run_known)
    assert f"{PREFIX}3" in dialect.request(asked, run_known).path
    assert dialect.outcome(write, Answer(202, {}, body)) == Outcome("acknowledged", "", "w1")
    assert f"{PREFIX}3" in dialect.request(asked, run_known).path
    assert "ws-0a1b2c3d4e-none" in dialect.request(asked._replace(customer=first[1]), run_known).path


def test_a_pool_can_do_what_its_accounts_can(tmp_path: Path) -> None:
    gate = pooled(pool_of(tmp_path), "gate", {})
    assert isinstance(gate, Cancelling)
    assert isinstance(gate, Spending)
    assert not isinstance(gate, Closing)
    assert not isinstance(gate, Glancing)
    path = tmp_path / "reference.toml"
    path.write_text('[accounts.a.settings]\nWITHSTAND_ACCOUNT = "5"\n[accounts.b.settings]\nWITHSTAND_ACCOUNT = "6"\n')
    reference = pooled(read_pool(str(path), "reference", ENVIRON), "reference", {"kyc": ["it was refused"]})
    assert isinstance(reference, Closing)
    assert isinstance(reference, Glancing)
    assert not isinstance(reference, Cancelling)
    body = json.loads(reference.request(Arrival(1, "ticket", "kyc", 9, 0, 3), Known(PREFIX)).body)
    assert "it was refused" in body["ticket"]["comment"]["body"]
    sent = {json.loads(reference.request(Arrival(1, "withdrawal", "BTC", n, 1, 1), Known("p-")).body)["account"]
            for n in range(50)}  # fmt: skip
    assert sent == {5, 6}


@pytest.mark.parametrize("server_id", ["i" * 5000, "sign: {sign}", "w-17"])
def test_an_id_that_is_none_is_kept_by_no_account(tmp_path: Path, server_id: str) -> None:
    gate, known = pooled(pool_of(tmp_path), "gate", {}), Known(PREFIX)
    write, read = (Arrival(n, name, "USDT", 7, 12_345, 7) for n, name in enumerate(("withdrawal", "withdrawal_status")))
    request = gate.request(write, known)
    body = json.dumps({"id": server_id.format(sign=request.headers["SIGN"])}).encode()
    outcome = outcome_of(gate, write, request, Answer(202, {}, body))
    mine = gate._known[gate.pool.place_of(7)]
    kept = [server_id] if server_id == "w-17" else [MARK] if "sign" in server_id else []
    assert [*mine.withdrawal_ids.values()] == kept == ([outcome.server_id] if outcome.server_id else [])
    assert set(gate._owner) == set(kept)
    assert len(gate.request(read, known).path) < 200


def test_accounts_are_read_together_and_a_server_that_shows_all_once(tmp_path: Path) -> None:
    gate = pooled(pool_of(tmp_path), "gate", {})

    def send(request: Request) -> Answer:
        mine = request.headers["KEY"].removeprefix("key-")
        if "accounts" in request.path:
            return Answer(200, {}, json.dumps([{"currency": "BTC", "available": "1.5"}]).encode())
        rows = [{"id": f"w-{mine}", "withdraw_order_id": f"{PREFIX}{mine}", "currency": "BTC", "address": "a",
                 "amount": "1", "status": "REQUEST"}]  # fmt: skip
        return Answer(200, {}, json.dumps(rows).encode())

    held = gate.holdings(send, PREFIX)
    assert held is not None
    assert held.balances == {"BTC": Decimal(3)} == gate.balances(send)
    assert sorted(one.server_id for one in held.withdrawals) == ["w-one", "w-two"]
    used: list[str] = []

    def cancel(request: Request) -> Answer:
        used.append(request.headers["KEY"])
        return Answer(200, {}, b"{}")

    for one in held.withdrawals:
        assert gate.cancel(cancel, one) == ""  # type: ignore[attr-defined]
    assert used == ["key-one", "key-two"]


# --- limits ---


def test_a_limit_is_exceeded_by_any_span_and_knowingly_or_not_at_all(tmp_path: Path) -> None:
    schedule = at(tmp_path, [0, 900_000, 999_999, 1_000_000, 1_500_000])
    everybody = 'limits = [{ requests = %d, per = "1 s" }]'
    pool = pool_of(tmp_path, one=everybody % 1, two=everybody % 1)
    places = pool.places(schedule)
    assert places.tolist() == [pool.place_of(n) for n in schedule.arrivals["customer"].to_list()]
    expected = [max(sum(1 for due, place in zip(schedule.due_us, places, strict=True)
                        if place == mine and start <= due < start + 1_000_000) for start in schedule.due_us)
                for mine in (0, 1)]  # fmt: skip
    told = rate_faults(pool, schedule)
    assert len(told) == sum(most > 1 for most in expected) >= 1
    for name, most in zip(("one", "two"), expected, strict=True):
        line = f"{pool.path}: accounts.{name}.limits: got {most} requests within 1 s; must be at most 1, or set exceed"
        assert any(one.startswith(line) for one in told) == (most > 1)
    knowing = pool_of(tmp_path, head="exceed = true", one=everybody % 1, two=everybody % 1)
    assert rate_faults(knowing, schedule) == []
    assert len(exceeded(knowing, schedule)) == len(told)
    assert accounts.summary(knowing, schedule)["exceeded"] == exceeded(knowing, schedule)
    enough = pool_of(tmp_path, one=everybody % max(expected), two=everybody % max(expected))
    assert rate_faults(enough, schedule) == []


def test_a_span_of_a_limit_is_half_open(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text('[accounts.a]\nlimits = [{ requests = 1, per = "1 s" }]\n')
    pool = read_pool(str(path), "gate", ENVIRONS["gate"])
    assert rate_faults(pool, at(tmp_path / "apart", [0, 1_000_000])) == []
    assert len(rate_faults(pool, at(tmp_path / "close", [0, 999_999]))) == 1


def test_accounts_that_share_a_key_share_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "shared.toml"
    path.write_text(
        "".join(
            f"""
        [accounts.{name}]
        settings = {{ WITHSTAND_ACCOUNT = "{number}" }}
        limits = [{{ requests = 3, per = "1 s" }}]
    """
            for name, number in (("a", 5), ("b", 6))
        )
    )
    pool = read_pool(str(path), "reference", ENVIRON)
    schedule = at(tmp_path, [0, 1, 2, 3])
    assert 0 < int(pool.places(schedule).sum()) < 4, "both accounts must have arrivals, or this shows nothing"
    (told,) = rate_faults(pool, schedule)
    assert "accounts.a and b.limits: got 4 requests within 1 s; must be at most 3" in told


def test_limits_and_unspoken_endpoints_are_faults_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", arrivals_at(np.arange(40) * 1000, ["withdrawal", "login"] * 20))
    pool = gate_pool(tmp_path, one='limits = [{ requests = 2, per = "1 s" }]')
    told = faults(run, "--dialect", "gate", "--accounts", pool, environ=GATE)
    assert len(told) == 2
    assert "accounts.one.limits" in told[0]
    assert told[1] == (
        "--dialect: got gate, whose API has no login (20 of 40 requests); must support them; "
        "--endpoints withdrawal,withdrawal_status leaves them out"
    )
    for names, rule in (("logins", "must be one of withdrawal, "), ("ticket", "to which the run sends nothing")):
        (told_of,) = faults(run, "--endpoints", names)
        assert rule in told_of
    plan = planned(run, "--dialect", "gate", "--endpoints", "withdrawal", environ=ENVIRONS["gate"])
    assert plan.schedule.counts() == {"withdrawal": 20}
    assert plan.identity()["endpoints"] == ["withdrawal"]
    assert plan.identity()["accounts"] is None


# --- funds ---


def test_every_shortage_is_told_and_enough_is_enough(tmp_path: Path) -> None:
    schedule = at(tmp_path, [n * 1000 for n in range(40)])
    dialect = pooled(pool_of(tmp_path), "gate", {})
    sums = funds.needed(dialect, schedule)
    assert set(sums) == {"one", "two"}
    by_hand: Counter[str] = Counter()
    for row in schedule.arrivals.iter_rows(named=True):
        asked = dialect.withdrawal(Arrival(0, "withdrawal", row["kind"], 1, row["amount"], 1), "")
        by_hand[asked.currency] += asked.amount  # type: ignore[assignment]
    total: Counter[str] = Counter()
    for account in sums.values():
        total.update(account)  # type: ignore[arg-type]
    assert total == by_hand

    def send(request: Request, less: Decimal = Decimal(0)) -> Answer:
        name = request.headers["KEY"].removeprefix("key-")
        rows = [{"currency": currency, "available": str(amount - less)} for currency, amount in sums[name].items()]
        return Answer(200, {}, json.dumps(rows).encode())

    funds.check(dialect, send, schedule)
    with pytest.raises(InputError) as caught:
        funds.check(dialect, lambda request: send(request, Decimal("0.00000001")), schedule)
    assert len(caught.value.faults) == sum(map(len, sums.values())) == 8
    must = funds.plain(sums["one"]["BTC"])
    assert caught.value.faults[0].startswith(f"{tmp_path}/accounts.toml: accounts.one: got ")
    assert caught.value.faults[0].endswith(f" BTC; must hold at least {must} (the schedule's withdrawals) and the fees")


def test_accounts_that_cannot_be_read_are_faults(tmp_path: Path) -> None:
    dialect = pooled(pool_of(tmp_path), "gate", {})

    def broken(request: Request) -> Answer:
        raise NoAnswerError("connection refused", taken=False)

    for send in (broken, lambda request: Answer(500, {}, b"")):
        with pytest.raises(InputError, match="got a balance that cannot be read"):
            funds.check(dialect, send, at(tmp_path / send.__name__.strip("<>"), [0]))


def test_where_each_customer_has_his_own_account_nothing_is_asked(tmp_path: Path) -> None:
    plan = planned(make_run(tmp_path / "run", arrivals_at(np.array([0]), ["withdrawal"])))
    funds.check(plan.dialect, lambda request: pytest.fail("asked"), plan.schedule)


@pytest.mark.servers
def test_a_run_without_funds_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"withdrawal": 20.0}, 1.0)
    with TinyServer(lambda path, number: Reply(body=[{"currency": "USDT", "available": "1"}])) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loadtest_run, "ENVIRON", ENVIRONS["gate"])
            code, _, err = load(run, server.url, "--dialect", "gate", "--window", "1 s")
        assert set(server.targets) == {"/api/v4/spot/accounts"}
    assert code == 2
    assert [line.split(";")[0] for line in err.splitlines()] == [
        f"test account: got {held}" for held in ("0 BTC", "0 ETH", "0 USDC", "1 USDT")
    ]
    assert not (run / "loadtest").exists()


# --- cleaning up ---


class Desk:
    """A dialect that only cleans up: what is refused, what breaks."""

    def __init__(self, held: Holdings | None) -> None:
        self.held, self.asked = held, list[str]()

    def balances(self, send: Any) -> None:
        return None

    def holdings(self, send: Any, prefix: str) -> Holdings | None:
        if self.held is None:
            return None
        return self.held

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        return Withdrawal(f"{prefix}{arrival.idx}", "BTC", "a", Decimal(1))

    def cancel(self, send: Any, withdrawal: Withdrawal) -> str:
        self.asked.append(withdrawal.server_id)
        if withdrawal.server_id == "w3":
            raise ReadError("no cursor")
        return "400 TOO_LATE" if withdrawal.server_id == "w2" else ""

    def close(self, send: Any, ticket: Ticket) -> str:
        self.asked.append(ticket.server_id)
        if ticket.server_id == "t2":
            raise KeyError("x")
        return ""


def rows(outcomes: list[tuple[str, str, str]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the requests and the arrivals of (endpoint, outcome, server id)."""
    arrivals = arrivals_at(np.arange(len(outcomes)), [endpoint for endpoint, _, _ in outcomes])
    columns = {column.name: [None] * len(outcomes) for column in REQUESTS}
    found = columns | {
        "idx": arrivals["idx"],
        "endpoint": arrivals["endpoint"],
        "outcome": [outcome for _, outcome, _ in outcomes],
        "key": [f"{PREFIX}{i}" for i in range(len(outcomes))],
        "server_id": [server_id for _, _, server_id in outcomes],
    }
    return pl.DataFrame(found), arrivals


DONE = [("withdrawal", "acknowledged", "w1"), ("withdrawal", "acknowledged", "w2"), ("withdrawal", "unknown", ""),
        ("ticket", "acknowledged", "t1"), ("ticket", "acknowledged", "t2"), ("ticket", "rejected", ""),
        ("login", "acknowledged", "")]  # fmt: skip


def clean(desk: Any) -> dict[str, Any]:
    requests, arrivals = rows(DONE)
    return cleanup.clean_up(
        desk, lambda one: Answer(200, {}, b""), lambda wait_s: None, prefix=PREFIX, requests=requests, arrivals=arrivals
    )


def test_what_was_acknowledged_is_cleaned_up_where_the_server_cannot_tell() -> None:
    desk = Desk(None)
    found = clean(desk)
    assert desk.asked == ["w1", "w2", "t1", "t2"]
    assert found["withdrawals"] == {"total": 2, "done": 1, "over": 0, "kept": 1, "faults": ["400 TOO_LATE"]}
    assert found["tickets"] == {
        "total": 2,
        "done": 1,
        "over": 0,
        "kept": 1,
        "faults": ["the dialect failed: KeyError: 'x'"],
    }


def test_what_the_server_holds_is_cleaned_up_and_what_has_ended_left_alone() -> None:
    def money(name: str, **more: Any) -> Withdrawal:
        return Withdrawal(f"{PREFIX}{name}", "BTC", "a", Decimal(1), server_id=name, **more)

    held = Holdings(
        [money("w1"), money("w2"), money("w3"), money("w4", final=True), money("w5", failed=True)],
        [Ticket("k", "t1"), Ticket("k", "t3", is_open=False), Ticket("k", "t4", closed=True)],
        None,
    )
    desk = Desk(held)
    found = clean(desk)
    assert desk.asked == ["w1", "w2", "w3", "t1"]
    assert found["withdrawals"] == {
        "total": 5, "done": 1, "over": 2, "kept": 2, "faults": ["400 TOO_LATE", "no cursor"],
    }  # fmt: skip
    assert found["tickets"] == {"total": 3, "done": 1, "over": 2, "kept": 0, "faults": []}


def test_a_dialect_that_cannot_says_so() -> None:
    class Mute(Desk):
        cancel = close = None  # type: ignore[assignment]

    mute = Mute(None)
    del Mute.cancel, Mute.close
    plain = type(
        "Plain", (), {name: getattr(Desk, name) for name in ("__init__", "balances", "holdings", "withdrawal")}
    )
    found = clean(plain(None))
    assert mute.asked == []
    assert found["tickets"] == {
        "total": 2,
        "done": 0,
        "over": 0,
        "kept": 2,
        "faults": ["the dialect has no way to do it"],
    }


# --- samples ---


def test_every_category_of_the_baseline_has_a_few_sentences_of_its_own() -> None:
    categories = scenario("baseline").categories
    found = {name: one.samples for name, one in categories.items() if not one.task}  # a task is nobody's ticket
    assert all(2 <= len(texts) <= 3 for texts in found.values()), found
    texts = [text for mine in found.values() for text in mine]
    assert len(set(texts)) == len(texts)
    assert all(20 <= len(text) <= 120 and text.isascii() and text[-1] in ".?" for text in texts)


def test_a_run_without_samples_has_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"scenario": 3}', '{"scenario": {"categories": {"kyc": {}, "vip": {"samples": 3}}}}'):
        (tmp_path / "run.json").write_text(text)
        assert target.samples_of(tmp_path) == {}
    (tmp_path / "run.json").write_text('{"scenario": {"categories": {"kyc": {"samples": ["why?"]}}}}')
    assert target.samples_of(tmp_path) == {"kyc": ["why?"]}
    arrival = Arrival(3, "ticket", "kyc", 1, 0, 7)
    assert "why?" in ticket_text(arrival, {"kyc": ["why?"]}, PREFIX)[1]
    assert f"[{PREFIX}3]" in ticket_text(arrival, {}, PREFIX)[1]


# --- end to end ---


@pytest.mark.servers
def test_thousands_of_customers_meet_three_accounts_and_the_tickets_are_closed(tmp_path: Path) -> None:
    run = run_of(tmp_path, MIXED, 3.0)
    pool = tmp_path / "accounts.toml"
    pool.write_text("exceed = true\n" + "".join(
        f'[accounts.a{n}]\nsettings = {{ WITHSTAND_ACCOUNT = "{n}" }}\nlimits = [{{ requests = 5, per = "1 s" }}]\n'
        for n in (1001, 1002, 1003)
    ))  # fmt: skip
    with staging() as (client, _):
        code, out, err = load(run, str(client.http.base_url), "--window", "3 s", "--accounts", str(pool), "--cleanup")
        money, desk = client.pages("withdrawals", "ws-"), client.pages("tickets", "ws-")
    verdict, requests = results(run)
    assert code == 0, out + err
    assert verdict["reconciliation"]["passed"]
    assert {row["account"] for row in money} == {1001, 1002, 1003}
    assert sum(verdict["accounts"]["requests"].values()) == len(requests) == 300
    assert set(verdict["accounts"]["requests"]) == {"a1001", "a1002", "a1003"}
    assert "limits exceeded knowingly: accounts.a1001 and a1002 and a1003.limits: got 1" in out
    assert (len(money), len(desk)) == (60, 30)
    assert {row["status"] for row in desk} == {"closed"}
    assert verdict["cleanup"]["tickets"] == {"total": 30, "done": 30, "over": 0, "kept": 0, "faults": []}
    kept = verdict["cleanup"]["withdrawals"]
    assert kept["total"] == 60 == kept["over"] + kept["kept"]
    assert any(line.startswith("cleaned up: ") for line in plain_lines(verdict, "x"))
    assert "30 of 30 tickets closed, 0 had ended" in out


@pytest.mark.servers
def test_tickets_carry_the_scenarios_samples(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"ticket": 20.0}, 1.0)
    told = json.loads((run / "run.json").read_text())
    words = {kind: {"samples": [f"{kind}: help me now", f"{kind}: and me"]} for kind in ("trading", "account_access")}
    told["scenario"]["categories"] = words
    (run / "run.json").write_text(json.dumps(told))
    with staging() as (client, _):
        code, out, err = load(run, str(client.http.base_url), "--window", "1 s")
        desk = client.pages("tickets", "ws-")
        views = [client.ticket("GET", f"/api/v2/tickets/{row['id']}").json()["ticket"] for row in desk]
    verdict, _ = results(run)
    assert code == 0, out + err
    texts = Counter()  # type: ignore[var-annotated]
    for view in views:
        assert f"[{view['external_id']}]" in view["description"]
        assert f"{verdict['key_prefix']}run" in view["tags"]
        for kind, entry in words.items():
            texts.update(
                sample for sample in entry["samples"] if sample in view["description"] and kind in view["tags"]
            )
    assert len(texts) == 4
    assert sum(texts.values()) == sum(view["tags"][0] in words for view in views) > 10

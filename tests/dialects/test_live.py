"""The gate and zendesk dialects on a running server: every answer that the reference server gives, judged as agreed.

What a right server never does (malformed JSON, redirects, errors inside 200) is in ``test_contract.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED, REJECTED, UNKNOWN, Known, Outcome, ReadError
from loadtests.dialect.reads import read_of
from loadtests.staging.exchange import tickets, withdrawals
from loadtests.staging.settings import Settings
from tests.support.servers.live_dialects import PREFIX, READS, WRITES, Line, arrival, line, spoken
from tests.support.servers.staging_client import Client, staging_thread, wait_until
from tests.support.servers.tcp_proxy import Fate, TcpProxy

NAMES = ("gate", "zendesk")
MODULES: dict[str, Any] = {"gate": withdrawals, "zendesk": tickets}
PAGES = {"gate": ("withdrawals", "withdraw_order_id"), "zendesk": ("tickets", "external_id")}
SLOW = {"gate": "withdrawal_capacity_per_s", "zendesk": "ticket_capacity_per_s"}
LIMIT = {"gate": "withdrawal_rate_limit_per_min", "zendesk": "ticket_rate_limit_per_min"}
TIMEOUT_S = 0.25


class Place(NamedTuple):
    """A server, a line to it, and an honest client that reads what it holds."""

    line: Line
    client: Client


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Start a server of the test's own; the line to it leads through a proxy when there is a ``fate``."""
    with contextlib.ExitStack() as stack:

        def enter(fate: Fate | None = None, timeout_s: float = 20.0, **changes: Any) -> Place:
            quick = {"payment_s": 0.0, "review_share": 0.0, **changes}
            client = stack.enter_context(staging_thread(Settings(**quick), tmp_path / "staging.sqlite"))
            url = str(client.http.base_url)
            if fate is not None:
                target = ("127.0.0.1", client.http.base_url.port or 0)
                url = stack.enter_context(TcpProxy(target, lambda head, number: fate)).url
            return Place(stack.enter_context(line(tmp_path, url, timeout_s)), client)

        yield enter


def keys_held(name: str, client: Client) -> list[str]:
    """Return the keys that the server holds, read without the dialect."""
    pages, key = PAGES[name]
    return [row[key] for row in client.pages(pages)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_test_system_and_a_write_is_acknowledged_once_with_its_id(
    start: Callable[..., Place], name: str
) -> None:
    place, dialect = start(), spoken(name)
    health = place.client.http.get(dialect.health_path)
    assert (health.status_code, health.json()["test_system"]) == (200, True)
    outcome = place.line.outcome(dialect, arrival(WRITES[name]))
    (row,) = place.client.pages(PAGES[name][0])
    assert outcome == Outcome(ACKNOWLEDGED, "", str(row["id"]))
    assert row[PAGES[name][1]] == f"{PREFIX}3"


@pytest.mark.parametrize("name", NAMES)
def test_reads_are_right_before_and_after_there_is_anything(start: Callable[..., Place], name: str) -> None:
    place, dialect = start(), spoken(name)
    found = place.line.outcome(dialect, arrival(READS[name]))
    assert (found.outcome, found.server_id in {"", "[]"}) == (ACKNOWLEDGED, True), "it shows nothing, or cannot tell"
    made = place.line.outcome(dialect, arrival(WRITES[name]))
    known = Known(PREFIX, f"{PREFIX}3", [f"{PREFIX}3"], [made.server_id])
    found = place.line.outcome(dialect, arrival(READS[name]), known)
    assert found.outcome == ACKNOWLEDGED
    shown = read_of(found.server_id)
    assert shown.server_id == made.server_id


SMALL = {"body_limit_bytes": 50}
WRONG_KEYS = [
    ("gate", {"WITHSTAND_GATE_SECRET": "another"}, {}, "401 INVALID_SIGNATURE"),
    ("gate", {"WITHSTAND_GATE_KEY": "another"}, {}, "401 INVALID_KEY"),
    ("gate", {}, {"opening_balance_usd": 100}, "400 BALANCE_NOT_ENOUGH"),
    ("gate", {}, {"withdrawal_limit_usd": 100}, "400 WITHDRAWAL_OVER_LIMIT"),
    ("gate", {}, SMALL, "413 REQUEST_TOO_LARGE"),
    ("zendesk", {"WITHSTAND_ZENDESK_TOKEN": "another"}, {}, "401 Couldn't authenticate you"),
    ("zendesk", {"WITHSTAND_ZENDESK_EMAIL": "nobody"}, {}, "401 Couldn't authenticate you"),
    ("zendesk", {"WITHSTAND_ZENDESK_REQUESTER": "nobody"}, {}, "422 RecordInvalid"),
    ("zendesk", {}, SMALL, "413 REQUEST_TOO_LARGE"),
]


@pytest.mark.parametrize(("name", "keys", "server", "reason"), WRONG_KEYS)
def test_a_refusal_is_rejected_and_leaves_nothing(
    start: Callable[..., Place], name: str, keys: dict[str, str], server: dict[str, Any], reason: str
) -> None:
    place = start(**server)
    assert place.line.outcome(spoken(name, **keys), arrival(WRITES[name])) == Outcome(REJECTED, reason)
    assert keys_held(name, place.client) == []


def test_a_requester_by_address_is_taken(start: Callable[..., Place]) -> None:
    place, dialect = start(), spoken("zendesk", WITHSTAND_ZENDESK_REQUESTER="customer@example.invalid")
    assert place.line.outcome(dialect, arrival("ticket")).outcome == ACKNOWLEDGED


def test_a_repeated_key_is_gates_to_refuse_and_zendesks_to_answer_again(start: Callable[..., Place]) -> None:
    place = start()
    for name, again in (("gate", Outcome(REJECTED, "409 DUPLICATE_REQUEST")), ("zendesk", None)):
        dialect = spoken(name)
        first = place.line.outcome(dialect, arrival(WRITES[name]))
        assert place.line.outcome(dialect, arrival(WRITES[name])) == (again or first)
        assert keys_held(name, place.client) == [f"{PREFIX}3"]
    other = arrival("ticket")._replace(payload_seed=8)
    outcome = place.line.outcome(spoken("zendesk"), other)
    assert outcome == Outcome(REJECTED, "400 IdempotentRequestError")


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_limit_is_told_with_its_wait(start: Callable[..., Place], name: str) -> None:
    place, dialect = start(**{LIMIT[name]: 1}), spoken(name)
    outcomes = [place.line.outcome(dialect, arrival(WRITES[name], idx)) for idx in range(4)]
    limited = [one for one in outcomes if one.outcome == RATE_LIMITED]
    assert len(limited) >= 2  # at most two minutes' worth can pass
    assert all(one.reason.startswith("429, Retry-After ") and one.reason[-1].isdigit() for one in limited)
    assert len(keys_held(name, place.client)) == 4 - len(limited)


@pytest.mark.parametrize("name", NAMES)
def test_a_busy_server_leaves_it_open(start: Callable[..., Place], name: str) -> None:
    dialect, full = spoken(name), {SLOW[name]: 0.01, "service_slots": 1, "queue_limit": 0}
    place = start(**full, timeout_s=TIMEOUT_S)
    place.line.outcome(dialect, arrival(WRITES[name], 1))  # takes the only slot
    assert place.line.outcome(dialect, arrival(WRITES[name], 2)) == Outcome(UNKNOWN, "503 TOO_BUSY")


@pytest.mark.parametrize("name", NAMES)
def test_a_defect_of_the_server_leaves_it_open(
    start: Callable[..., Place], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("something inside")

    place = start()
    monkeypatch.setattr(MODULES[name], "create", broken)
    assert place.line.outcome(spoken(name), arrival(WRITES[name])) == Outcome(UNKNOWN, "500 SERVER_ERROR")


@pytest.mark.parametrize("name", NAMES)
def test_a_late_answer_leaves_it_open_and_the_record_is_there(start: Callable[..., Place], name: str) -> None:
    place = start(**{SLOW[name]: 1.0, "service_slots": 1}, timeout_s=TIMEOUT_S)
    outcome = place.line.outcome(spoken(name), arrival(WRITES[name]))
    assert outcome == Outcome(UNKNOWN, f"time-out after {TIMEOUT_S:g} s")
    wait_until(lambda: keys_held(name, place.client) == [f"{PREFIX}3"], "the record of the late answer")


CUT = "connection closed before the answer was complete"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fate", "reasons", "n_held"),
    [
        (Fate(keep_bytes=0), (CUT, "connection closed"), 1),
        (Fate(keep_bytes=20), (CUT,), 1),
        (Fate(keep_bytes=150), (CUT,), 1),
        (Fate(reset="after"), ("connection broke", "connection closed"), 1),
        (Fate(reset="before"), ("connection broke", "connection closed"), 0),
    ],
)
def test_a_connection_that_breaks_leaves_it_open_and_the_request_is_not_repeated(
    start: Callable[..., Place], name: str, fate: Fate, reasons: tuple[str, ...], n_held: int
) -> None:
    place = start(fate)
    outcome = place.line.outcome(spoken(name), arrival(WRITES[name]))
    assert outcome.outcome == UNKNOWN
    assert outcome.reason.startswith(reasons), outcome.reason
    assert keys_held(name, place.client) == [f"{PREFIX}3"] * n_held


# --- what the server holds ---


def test_gate_reads_back_every_page_of_its_own_and_tells_others_apart(start: Callable[..., Place]) -> None:
    place, dialect = start(daily_limit_usd=10**6), spoken("gate")
    before = dialect.holdings(place.line.send, PREFIX)
    n = 230
    for idx in range(n):
        assert place.line.outcome(dialect, arrival("withdrawal", idx, cents=100)).outcome == ACKNOWLEDGED
    assert place.client.withdraw("ws-other-1", account=0, amount="5").status_code == 202  # others', from this account
    assert place.client.withdraw(f"{PREFIX}900", account=9).status_code == 202  # another account: not the key's
    wait_until(lambda: {row["status"] for row in place.client.pages("withdrawals")} == {"DONE"}, "all paid")
    held = dialect.holdings(place.line.send, PREFIX)
    assert sorted(int(one.key.removeprefix(PREFIX)) for one in held.withdrawals) == list(range(n))
    assert {(one.amount, one.fee, one.currency) for one in held.withdrawals} == {(Decimal(1), Decimal(1), "USDT")}
    assert {(one.final, one.failed, len(one.chain_id or "")) for one in held.withdrawals} == {(True, False, 64)}
    assert held.spent_by_others == {"USDT": Decimal(6)}
    assert before.balances["USDT"] - held.balances["USDT"] == 2 * n + 6
    assert dialect.available(place.line.send, arrival("withdrawal")) == held.balances["USDT"]


def test_gate_cancels_what_nobody_took_up_and_says_why_not(start: Callable[..., Place]) -> None:
    place, dialect = start(review_share=1.0, review_s=3600.0), spoken("gate")
    full = dialect.balances(place.line.send)
    place.line.outcome(dialect, arrival("withdrawal"))
    (held,) = dialect.holdings(place.line.send, PREFIX).withdrawals
    assert dialect.cancel(place.line.send, held) == ""
    (ended,) = dialect.holdings(place.line.send, PREFIX).withdrawals
    assert (ended.status, ended.failed, ended.final) == ("CANCEL", True, True)
    assert dialect.balances(place.line.send) == full
    assert dialect.cancel(place.line.send, held) == "400 INVALID_WITHDRAW_CANCEL_STATUS"
    assert dialect.cancel(place.line.send, held._replace(server_id="w99")) == "404 INVALID_WITHDRAW_ID"


def test_zendesk_reads_back_every_page_and_solves_its_tickets(start: Callable[..., Place]) -> None:
    place, dialect = start(), spoken("zendesk")
    n = 230
    for idx in range(n):
        assert place.line.outcome(dialect, arrival("ticket", idx)).outcome == ACKNOWLEDGED
    place.client.create_ticket("another's")
    held = dialect.holdings(place.line.send, PREFIX)
    assert sorted(int(one.key.removeprefix(PREFIX)) for one in held.tickets) == list(range(n))
    assert all(one.is_open for one in held.tickets)
    first = min(held.tickets, key=lambda one: int(one.server_id))
    assert dialect.close(place.line.send, first) == ""
    after = {one.server_id: one for one in dialect.holdings(place.line.send, PREFIX).tickets}
    assert (after[first.server_id].status, after[first.server_id].is_open) == ("solved", False)
    assert sum(one.is_open for one in after.values()) == n - 1
    assert dialect.close(place.line.send, first._replace(server_id="99999")) == "404 RecordNotFound"
    place.client.ticket("PUT", f"/api/v2/tickets/{first.server_id}", {"status": "closed"})
    assert dialect.close(place.line.send, first) == "422 RecordInvalid"


@pytest.mark.parametrize(
    ("name", "keys"),
    [("gate", {"WITHSTAND_GATE_SECRET": "another"}), ("zendesk", {"WITHSTAND_ZENDESK_TOKEN": "another"})],
)
def test_what_cannot_be_read_is_said_and_not_taken_for_nothing(
    start: Callable[..., Place], name: str, keys: dict[str, str]
) -> None:
    place = start()
    with pytest.raises(ReadError, match="answered 401"):
        spoken(name, **keys).holdings(place.line.send, PREFIX)

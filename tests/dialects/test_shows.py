"""What each dialect reads out of the answer to a read: the record, nothing, another's, or that it cannot tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from loadtests import dialects
from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Answer, Arrival, Known, Request, Showing, Shown, Submitting, speaks
from loadtests.dialect.reads import brief, contents, differences, shown_by
from loadtests.plan.accounts import Account, Pool
from loadtests.plan.pool import PooledDialect
from tests.dialects.test_readback import MINE, OTHERS, STATUSES, Api, row
from tests.tools.dialect_contract import ENVIRONS, PREFIX, endpoints_of, spoken

EXCHANGES = ("gate", "mexc", "binance", "kraken")
KNOWN = Known(PREFIX, MINE, [MINE], ["71"], {MINE: "R1"})
REFERENCE_ROW = {
    "id": "w1",
    "withdraw_order_id": MINE,
    "account": 42,
    "chain": "TRX",
    "memo": "",
    "currency": "USDT",
    "address": "T1",
    "amount": "10",
    "fee": "1",
    "status": "PEND",
    "txid": "",
    "block_number": "0",
}
REFERENCE_TICKET = {
    "id": 71,
    "external_id": MINE,
    "subject": "kyc",
    "description": "help",
    "requester_id": 42,
    "priority": "normal",
    "tags": ["kyc"],
    "status": "open",
}
HELPDESK_TICKET = {
    "id": 71,
    "title": f"[{MINE}] kyc",
    "description": "help",
    "queue": 1,
    "priority": 3,
    "submitter_email": "customer-42@withstand.invalid",
    "status": 1,
}


def shows(name: str, body: Any, endpoint: str = "") -> Shown | None:
    """Return what a dialect says that an answer shows, through a request of its own."""
    dialect = spoken(name)
    arrival = Arrival(9, endpoint or endpoints_of(name)[1], "", 42, 100, 0)
    request = dialect.request(arrival, KNOWN)
    shown: Shown | None = dialect.shows(arrival, request, Answer(200, {}, json.dumps(body).encode()))
    return shown


def history(name: str, rows: list[dict[str, Any]]) -> Any:
    return {"error": [], "result": rows} if name == "kraken" else rows


def record(shown: Shown | None) -> tuple[str, str, str]:
    assert shown is not None
    assert shown.record is not None
    return shown.record.key, shown.record.server_id, shown.record.status


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchanges_status_query_shows_its_withdrawal(name: str) -> None:
    pending = STATUSES[name][1]
    key = "" if name == "kraken" else MINE
    one = row(name, MINE, 1, pending)
    assert record(shows(name, history(name, [one]))) == (key, str(one.get("id") or one["refid"]), pending)
    assert shows(name, history(name, [])) == Shown()
    assert shows(name, history(name, [{"id": "odd"}])) is None, "a row that cannot be read tells nothing"


@pytest.mark.parametrize("name", ["gate", "binance"])
def test_anothers_withdrawal_is_shown_as_what_it_is(name: str) -> None:
    other = row(name, OTHERS, 5, STATUSES[name][0])
    assert record(shows(name, [other]))[0] == OTHERS
    assert record(shows(name, [other, row(name, MINE, 1, STATUSES[name][0])]))[0] == MINE


@pytest.mark.parametrize("name", ["mexc", "kraken"])
def test_where_only_the_newest_are_shown_an_older_one_is_not_missing(name: str) -> None:
    others = [row(name, OTHERS, 1000 + i, STATUSES[name][0]) for i in range(100)]
    assert shows(name, history(name, others[:99])) == Shown()
    assert shows(name, history(name, others)) is None
    assert record(shows(name, history(name, [*others[:99], row(name, MINE, 1, STATUSES[name][0])])))


def test_the_reference_shows_withdrawals_tickets_and_logins() -> None:
    assert record(shows("reference", [REFERENCE_ROW])) == (MINE, "w1", "PEND")
    assert shows("reference", []) == Shown()
    assert shows("reference", [{"id": "w1"}]) is None
    assert record(shows("reference", {"ticket": REFERENCE_TICKET}, "ticket_view")) == (MINE, "71", "open")
    assert shows("reference", {"count": {"value": 3}}, "ticket_view") is None
    assert shows("reference", {"ticket": {}}, "ticket_view") is None
    assert shows("reference", {"token": "42.1700000000.abc"}, "login") == Shown(account="42")


@pytest.mark.parametrize(("name", "ticket"), [("zendesk", REFERENCE_TICKET), ("django_helpdesk", HELPDESK_TICKET)])
def test_a_view_shows_its_ticket(name: str, ticket: dict[str, Any]) -> None:
    body = {"ticket": ticket} if name == "zendesk" else ticket
    assert record(shows(name, body)) == (MINE, "71", "open")
    assert shows(name, {"count": 3}) is None


@pytest.mark.parametrize("name", dialects.names())
def test_every_dialect_says_what_its_reads_show_and_what_they_ask_for(name: str) -> None:
    dialect = spoken(name)
    assert isinstance(dialect, Showing)
    for endpoint in set(speaks(dialect)) - {"withdrawal", "ticket"}:
        asked = dialect.request(Arrival(9, endpoint, "", 42, 100, 0), KNOWN).key
        assert asked in (MINE, "R1", "71", "42")
        assert dialect.request(Arrival(9, endpoint, "", 42, 100, 0), Known(PREFIX)).key not in (MINE, "R1", "71")


def sent(request: Request) -> Iterator[tuple[str, str]]:
    """Yield name and value of all that a request sends."""
    text = request.body.decode()
    value = json.loads(text) if text.startswith("{") else dict(parse_qsl(text or urlsplit(request.path).query))

    def leaves(name: str, one: Any) -> Iterator[tuple[str, str]]:
        if isinstance(one, dict):
            for key, inner in one.items():
                yield from leaves(key, inner)
        else:
            yield name, " ".join(one) if isinstance(one, list) else str(one)

    return leaves("", value)


OF_THE_MOMENT = {"timestamp", "recvWindow", "signature", "nonce"}
NAMES_ONLY = {"name", "asset"}
"""What an API calls the test customer, and Kraken the coin that its address names too."""


@pytest.mark.parametrize("name", dialects.names())
def test_every_field_that_a_dialect_sends_is_compared_and_only_the_fee_beside(name: str) -> None:
    environ = {**ENVIRONS[name], "WITHSTAND_ZENDESK_REQUESTER": "customer@example.invalid"}
    dialect: Any = dialects.load(name, environ)
    endpoint = endpoints_of(name)[0]
    arrival = Arrival(3, endpoint, "USDT" if endpoint == "withdrawal" else "kyc", 42, 12_345, 7)
    one = dialect.withdrawal(arrival, PREFIX) if endpoint == "withdrawal" else dialect.ticket(arrival, PREFIX)
    asked = contents(one)
    fields = {field: text for field, text in sent(dialect.request(arrival, Known(PREFIX))) if text}
    unasked = {field for field, text in fields.items() if text not in {*asked.values(), one.key}}
    assert unasked <= OF_THE_MOMENT | NAMES_ONLY
    unsent = {field for field, text in asked.items() if text and text not in fields.values()}
    assert unsent <= {"fee", "currency"}, "promised; and under Kraken's own name"
    assert isinstance(dialect, Submitting) == (endpoint == "ticket" or name == "reference")


def test_differences_name_what_both_have_and_cut_what_is_long() -> None:
    assert differences({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["b 3, not 2"]
    (told,) = differences({"text": "x" * 500}, {"text": "y" * 500})
    assert len(told) < 140
    assert differences({"tags": "b a"}, {"tags": "a c b"}) == []


def test_a_dialect_that_does_not_say_shows_nothing() -> None:
    class Silent:
        pass

    arrival = Arrival(9, "withdrawal_status", "", 42, 100, 0)
    request = spoken("gate").request(arrival, KNOWN)
    assert shown_by(Silent(), arrival, request, Answer(200, {}, b"[]")) == ""  # type: ignore[arg-type]
    write = Arrival(9, "withdrawal", "USDT", 42, 100, 0)
    assert shown_by(spoken("gate"), write, request, Answer(200, {}, b"[]")) == ""


def pool_of(name: str, n: int) -> PooledDialect:
    accounts = tuple(Account(f"account {i}", ENVIRONS[name], (name,), ()) for i in range(n))
    return PooledDialect(Pool("accounts.toml", accounts, False), [spoken(name) for _ in accounts])


def test_a_pool_shows_what_its_accounts_show_and_counts_a_record_once() -> None:
    pool: Any = pool_of("gate", 3)
    assert isinstance(pool, Showing)
    assert not isinstance(pool, Submitting)
    assert isinstance(pool_of("zendesk", 2), Submitting)
    arrival = Arrival(9, "withdrawal_status", "", 42, 100, 0)
    rows = [row("gate", MINE, 1, "DONE")]
    request = spoken("gate").request(arrival, KNOWN)
    assert record(pool.shows(arrival, request, Answer(200, {}, json.dumps(rows).encode())))[:2] == (MINE, "w1")
    held = pool.holdings(Api("gate", rows), PREFIX)
    assert [one.server_id for one in held.withdrawals] == ["w1"], "three keys of one account show it three times"
    assert held.spent_by_others is None


def test_a_pool_reads_each_history_from_where_it_is_told_to() -> None:
    pool = pool_of("gate", 2)
    pool.since_ms = 1_699_990_000_123
    assert {member.since_ms for member in pool.members} == {pool.since_ms}  # type: ignore[attr-defined]


@pytest.mark.parametrize("before", [15, 20, 50, 56])
def test_no_part_of_a_secret_stays_where_what_was_shown_is_cut(before: int) -> None:
    secret = REDACTOR.derive("a secret of the tests that is cut, 0815")
    held = {"text": f"{'x' * before}{secret}{'y' * 60}"}
    (told,) = differences({"text": "else"}, held)
    for kept in (told, *brief(held).values()):
        assert "a secret" not in kept
        assert len(kept) < 140

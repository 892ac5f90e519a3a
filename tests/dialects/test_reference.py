"""The reference dialect: its requests as the staging server checks them, its outcomes, and how a dialect is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import dialects
from loadtests.core.faults import InputError
from loadtests.dialect.contract import Answer, Arrival, Known, ReadError, Request
from loadtests.staging.exchange.addresses import is_address
from loadtests.staging.exchange.assets import ASSETS as STAGING_ASSETS
from loadtests.staging.exchange.tickets import parse_new
from loadtests.staging.exchange.withdrawals import parse_order
from loadtests.staging.http.auth import account_password, gate_signature
from loadtests.staging.settings import Settings
from tests.support.servers.staging_client import ENVIRON, SECRETS

SEEDS = st.integers(0, 2**63 - 1)
REFERENCE = dialects.load("reference", ENVIRON)


def arrival(endpoint: str, *, kind: str = "", seed: int = 7, cents: int = 12_345) -> Arrival:
    return Arrival(3, endpoint, kind, 42, cents, seed)


@given(seed=SEEDS, kind=st.sampled_from(["USDT", "USDC", "BTC", "ETH"]), cents=st.integers(1, 9_999_999))
def test_withdrawals_are_what_the_server_accepts(seed: int, kind: str, cents: int) -> None:
    asked = arrival("withdrawal", kind=kind, seed=seed, cents=cents)
    request = REFERENCE.request(asked, Known("ws-1-"))
    order = parse_order(json.loads(request.body), Settings())
    wanted = REFERENCE.withdrawal(asked, "ws-1-")
    assert is_address(order.chain, order.address)
    assert (
        (order.client_id, order.account, order.currency) == ("ws-1-3", 42, kind) == (request.key, 42, wanted.currency)
    )
    assert json.loads(request.body)["amount"] == f"{wanted.amount.normalize():f}"
    assert wanted.amount > 0


@given(seed=SEEDS, kind=st.text(min_size=1, max_size=30))
def test_tickets_are_what_the_server_accepts(seed: int, kind: str) -> None:
    request = REFERENCE.request(arrival("ticket", kind=kind, seed=seed), Known("ws-1-"))
    ticket = parse_new(json.loads(request.body))
    assert (ticket.external_id, ticket.requester_id, ticket.tags) == ("ws-1-3", 42, (kind, "ws-1-run"))
    wanted = REFERENCE.ticket(arrival("ticket", kind=kind, seed=seed), "ws-1-").fields
    assert (ticket.subject, ticket.description, ticket.priority) == tuple(
        wanted[name] for name in ("subject", "text", "priority")
    )


def test_the_promised_fees_are_the_servers() -> None:
    for kind, asset in STAGING_ASSETS.items():
        fields = REFERENCE.withdrawal(arrival("withdrawal", kind=kind), "p").fields
        assert fields["fee"] == asset.fees[fields["chain"]]
    none = dialects.load("reference", {**ENVIRON, "WITHSTAND_FEES": ""})
    assert "fee" not in none.withdrawal(arrival("withdrawal", kind="BTC"), "p").fields
    with pytest.raises(InputError, match="WITHSTAND_FEES: got BTC=much; must be coins and their fees"):
        dialects.load("reference", {**ENVIRON, "WITHSTAND_FEES": "BTC=much"})


def pages_of(n: int) -> Callable[[Request], Answer]:
    """Return a server that holds ``n`` withdrawals of the run, and no more than a page of tickets."""
    row = {"withdraw_order_id": "ws-1-0", "currency": "USDT", "address": "T1", "amount": "1", "fee": "1"}
    row |= {"status": "DONE", "block_number": "1", "txid": "x", "account": 1, "chain": "TRX", "memo": ""}

    def send(request: Request) -> Answer:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        if "withdrawals" in request.path:
            after, limit = int(query["after"]), int(query["limit"])
            numbers = range(after + 1, min(after + limit, n) + 1)
            last = numbers[-1] if len(numbers) == limit else None
            return reply({"withdrawals": [{**row, "id": f"w{i}"} for i in numbers], "next_after": last})
        if "tickets?" in request.path:
            return reply({"tickets": [], "next_after": None})
        return reply({"count": {"value": 0}, "currencies": []})

    return send


def reply(body: object) -> Answer:
    return Answer(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(("n", "others"), [(210_000, {}), (501_000, None)])
def test_as_many_records_are_read_as_may_be_sent_and_more(n: int, others: object) -> None:
    held = REFERENCE.holdings(pages_of(n), "ws-1-")
    assert held is not None
    assert len(held.withdrawals) == n
    assert held.spent_by_others == others, "beyond the most that is sent, others are not told apart"


def test_pages_that_lead_nowhere_are_told() -> None:
    with pytest.raises(ReadError, match="leads from the page after 0 to 0"):
        REFERENCE.holdings(lambda request: reply({"count": {"value": 0}, "withdrawals": [], "next_after": 0}), "ws-")


def test_dollars_become_coins() -> None:
    amounts = {
        kind: REFERENCE.withdrawal(arrival("withdrawal", kind=kind), "p").amount for kind in ("USDT", "BTC", "DOGE")
    }
    assert amounts == {"USDT": Decimal("123.45"), "BTC": Decimal("0.0020575"), "DOGE": Decimal("123.45")}


@pytest.mark.parametrize("endpoint", ["withdrawal", "withdrawal_status"])
def test_the_signature_is_gates(endpoint: str) -> None:
    request = REFERENCE.request(arrival(endpoint, kind="USDT"), Known("ws-1-", newest_key="ws-1-2"))
    parts = urlsplit(request.path)
    sign = gate_signature(
        secret=SECRETS.api_secret,
        method=request.method,
        path=parts.path,
        query=parts.query,
        body=request.body,
        timestamp=request.headers["Timestamp"],
    )
    assert (request.headers["SIGN"], request.headers["KEY"]) == (sign, SECRETS.api_key)


def test_the_password_is_the_test_accounts() -> None:
    body = json.loads(REFERENCE.request(arrival("login"), Known("p")).body)
    assert body == {"account": 42, "password": account_password(42, SECRETS.api_secret)}


def test_reads_ask_for_what_was_acknowledged() -> None:
    def path(endpoint: str, known: Known, seed: int = 0) -> str:
        return REFERENCE.request(arrival(endpoint, seed=seed), known).path

    known = Known("p-", "p-9", ["p-1", "p-5"], ["71", "72"])
    query = "/api/v4/wallet/withdrawals?withdraw_order_id="
    assert [path("withdrawal_status", known, seed) for seed in (0, 1, 2)] == [f"{query}p-{n}" for n in (1, 5, 1)]
    assert [path("ticket_view", known, seed) for seed in (0, 1)] == ["/api/v2/tickets/71", "/api/v2/tickets/72"]
    assert path("withdrawal_status", Known("p-", "p-9")) == f"{query}p-9"
    assert path("withdrawal_status", Known("p-")) == f"{query}p-none"
    assert path("ticket_view", Known("p-")) == "/api/v2/tickets/count"


@pytest.mark.parametrize(
    ("endpoint", "status", "body", "outcome"),
    [
        ("withdrawal", 202, {"id": "w1"}, ("acknowledged", "", "w1")),
        ("withdrawal", 200, {"label": "?"}, ("unknown", "200 with an answer that cannot be read", "")),
        ("withdrawal", 400, {"label": "BALANCE_NOT_ENOUGH"}, ("rejected", "400 BALANCE_NOT_ENOUGH", "")),
        ("withdrawal", 503, {"label": "TOO_BUSY"}, ("rejected", "503 TOO_BUSY", "")),
        ("withdrawal", 500, {}, ("unknown", "500", "")),
        ("withdrawal", 504, {}, ("unknown", "504", "")),
        ("withdrawal", 302, {}, ("rejected", "302: redirect not followed", "")),
        ("withdrawal", 429, {}, ("rate_limited", "429, Retry-After 3", "")),
        ("ticket", 201, {"ticket": {"id": 5}}, ("acknowledged", "", "5")),
        ("ticket", 201, {"ticket": {}}, ("unknown", "201 with an answer that cannot be read", "")),
        ("withdrawal_status", 200, [], ("acknowledged", "", "")),
        ("withdrawal_status", 200, {}, ("unknown", "200 with an answer that cannot be read", "")),
        ("ticket_view", 200, {"ticket": {}}, ("acknowledged", "", "")),
        ("ticket_view", 200, {"count": {"value": 1}}, ("acknowledged", "", "")),
        ("login", 200, {"token": "x"}, ("acknowledged", "", "")),
        ("login", 401, {"label": "INVALID_CREDENTIALS"}, ("rejected", "401 INVALID_CREDENTIALS", "")),
    ],
)
def test_outcomes(endpoint: str, status: int, body: object, outcome: tuple[str, str, str]) -> None:
    answer = Answer(status, {"retry-after": "3"}, json.dumps(body).encode())
    assert REFERENCE.outcome(arrival(endpoint), answer) == outcome


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"test_system": "true"}', b'{"test_system": 1}'])
def test_only_a_plain_true_makes_a_test_system(body: bytes) -> None:
    assert not REFERENCE.is_test_system(Answer(200, {}, body))
    assert REFERENCE.is_test_system(Answer(200, {}, b'{"test_system": true}'))
    assert not REFERENCE.is_test_system(Answer(503, {}, b'{"test_system": true}'))


def test_every_missing_secret_is_named() -> None:
    with pytest.raises(InputError) as caught:
        dialects.load("reference", {"WITHSTAND_API_KEY": "k"})
    named = [fault.split(": ")[1] for fault in caught.value.faults]
    assert named == ["WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN"]


def test_an_unknown_dialect_is_a_fault() -> None:
    with pytest.raises(InputError, match="did you mean reference"):
        dialects.load("referense", ENVIRON)
    with pytest.raises(InputError, match="must be a Python file that exists"):
        dialects.load("nowhere.py", ENVIRON)


def test_a_file_without_its_parts_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("SECRETS = ()\n")
    with pytest.raises(InputError, match="without create"):
        dialects.load(str(path), ENVIRON)

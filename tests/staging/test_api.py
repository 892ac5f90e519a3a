"""The staging exchange's API, one request at a time."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.staging.exchange import payments, withdrawals
from loadtests.staging.settings import Settings
from tests.support.servers.addresses import sample_address
from tests.support.servers.staging_client import SECRETS, Client, order, signature_headers, staging_thread, wait_until

QUICK: dict[str, Any] = {"payment_s": 0.0, "review_share": 0.0, "review_s": 0.0}


@pytest.fixture
def start(new_database: Callable[[], Path | str]) -> Iterator[Callable[..., Client]]:
    """Start a server of the test's own with the given settings."""
    with contextlib.ExitStack() as stack:

        def enter(**changes: Any) -> Client:
            settings = Settings(**{**QUICK, **changes})
            return stack.enter_context(staging_thread(settings, new_database()))

        yield enter


@pytest.fixture(scope="module")
def shared(new_database: Callable[[], Path | str]) -> Iterator[Client]:
    """One server for all tests that need no settings and leave nothing behind."""
    with staging_thread(Settings(**QUICK), new_database()) as client:
        yield client


def test_health_says_that_it_is_a_test_system(shared: Client) -> None:
    health = shared.http.get("/health")
    assert health.status_code == 200
    assert health.json().items() >= {"status": "ok", "test_system": True, "name": "withstand-staging"}.items()


def test_a_signature_made_by_the_published_formula_is_accepted(start: Callable[..., Client]) -> None:
    client, body, stamp = start(), json.dumps(order("a-1")).encode(), str(int(time.time()))
    text = "POST\n/api/v4/withdrawals\n\n" + hashlib.sha512(body).hexdigest() + "\n" + stamp
    sign = hmac.new(SECRETS.api_secret.encode(), text.encode(), "sha512").hexdigest()
    headers = {"KEY": SECRETS.api_key, "Timestamp": stamp, "SIGN": sign}
    response = client.http.post("/api/v4/withdrawals", content=body, headers=headers)
    assert response.status_code == 202
    assert response.json().items() >= {"withdraw_order_id": "a-1", "status": "REQUEST", "amount": "10"}.items()


@pytest.mark.parametrize(
    ("headers", "status", "label"),
    [
        ({"SIGN": "0" * 128}, 401, "INVALID_SIGNATURE"),
        ({"SIGN": ""}, 400, "MISSING_REQUIRED_HEADER"),
        ({"KEY": "another"}, 401, "INVALID_KEY"),
        ({"Timestamp": "1"}, 401, "INVALID_SIGNATURE"),
    ],
)
def test_a_wrong_signature_is_refused(shared: Client, headers: dict[str, str], status: int, label: str) -> None:
    client = shared
    body = json.dumps(order("a-1")).encode()
    response = client.signed("POST", "/api/v4/withdrawals", body=body, headers=headers)
    assert (response.status_code, response.json()["label"]) == (status, label)
    assert client.withdrawals("a-1") == []


@pytest.mark.parametrize("age_s", [70, -70])
def test_a_stale_or_early_request_is_refused(shared: Client, age_s: int) -> None:
    body, stamp = json.dumps(order("a-1")).encode(), int(time.time()) - age_s
    response = shared.signed("POST", "/api/v4/withdrawals", body=body, timestamp=stamp)
    assert (response.status_code, response.json()["label"]) == (401, "REQUEST_EXPIRED")


def test_the_signature_covers_the_body_and_the_query(shared: Client) -> None:
    client, stamp = shared, str(int(time.time()))
    signed = client.signed("POST", "/api/v4/withdrawals", body=b"{}", timestamp=int(stamp)).request
    headers = {name: signed.headers[name] for name in ("KEY", "Timestamp", "SIGN")}
    other = json.dumps(order("a-1")).encode()
    assert client.http.post("/api/v4/withdrawals", content=other, headers=headers).status_code == 401
    signed = client.signed("GET", "/api/v4/wallet/withdrawals", query="withdraw_order_id=a").request
    headers = {name: signed.headers[name] for name in ("KEY", "Timestamp", "SIGN")}
    assert client.http.get("/api/v4/wallet/withdrawals?withdraw_order_id=b", headers=headers).status_code == 401


def test_a_query_may_be_signed_before_or_after_it_is_percent_encoded(shared: Client) -> None:
    path, sent = "/api/v4/wallet/withdrawals", "withdraw_order_id=a%2Eb"
    for signed in (sent, "withdraw_order_id=a.b"):
        headers = signature_headers("GET", path, query=signed)
        assert shared.http.get(f"{path}?{sent}", headers=headers).status_code == 200


def test_a_repeated_client_id_is_rejected_and_debited_once(start: Callable[..., Client]) -> None:
    client = start()
    assert client.withdraw("a-1").status_code == 202
    again = client.withdraw("a-1")
    assert (again.status_code, again.json()["label"]) == (409, "DUPLICATE_REQUEST")
    assert len(client.withdrawals("a-1")) == 1
    assert client.ledger()["customers_available"] == "249989"


def test_a_repeated_client_id_is_replayed_when_asked_for_and_only_when_it_is_the_same(
    start: Callable[..., Client],
) -> None:
    client = start(repeated_client_id="replay")
    first = client.withdraw("a-1")
    again = client.withdraw("a-1")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert client.withdraw("a-1", amount="11").status_code == 409
    assert client.ledger()["customers_available"] == "249989"


def test_two_accounts_may_use_the_same_client_id(start: Callable[..., Client]) -> None:
    client = start()
    assert [client.withdraw("a-1", account=account).status_code for account in (1, 2)] == [202, 202]
    assert [record["account"] for record in client.withdrawals("a-1")] == [1, 2]
    only = client.signed("GET", "/api/v4/wallet/withdrawals", query="withdraw_order_id=a-1&account=2").json()
    assert [record["account"] for record in only] == [2]


@pytest.mark.parametrize(
    ("change", "status", "label"),
    [
        ({"colour": "red"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": None}, 400, "MISSING_REQUIRED_PARAM"),
        ({"amount": 10}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": 1.5}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "NaN"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "Infinity"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "1e999"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "-1"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "0"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "0.000000"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": ""}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": " 1"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "\u0661"}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "9" * 16}, 400, "INVALID_PARAM_VALUE"),
        ({"amount": "1.0000001"}, 400, "INVALID_PRECISION"),
        ({"currency": "DOGE"}, 400, "INVALID_CURRENCY"),
        ({"currency": ["USDT"]}, 400, "INVALID_PARAM_VALUE"),
        ({"chain": "BTC"}, 400, "INVALID_PARAM_VALUE"),
        ({"address": "TXYZ"}, 400, "INVALID_ADDRESS"),
        ({"address": sample_address("ETH", 1)}, 400, "INVALID_ADDRESS"),
        ({"withdraw_order_id": "a b"}, 400, "INVALID_PARAM_VALUE"),
        ({"withdraw_order_id": "a" * 65}, 400, "INVALID_PARAM_VALUE"),
        ({"withdraw_order_id": "a\n"}, 400, "INVALID_PARAM_VALUE"),
        ({"account": "7"}, 400, "INVALID_PARAM_VALUE"),
        ({"account": True}, 400, "INVALID_PARAM_VALUE"),
        ({"account": -1}, 400, "INVALID_PARAM_VALUE"),
        ({"account": 10**30}, 404, "ACCOUNT_NOT_FOUND"),
        ({"memo": "m" * 257}, 400, "INVALID_PARAM_VALUE"),
    ],
)
def test_a_wrong_field_is_refused(shared: Client, change: dict[str, object], status: int, label: str) -> None:
    client = shared
    response = client.signed("POST", "/api/v4/withdrawals", body=json.dumps({**order("a-1"), **change}).encode())
    if list(change.values()) == [None]:
        response = client.withdraw("a-1", **change)
    assert (response.status_code, response.json()["label"]) == (status, label)
    assert client.pages("withdrawals") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b'{"amount": NaN}',
        b'{"amount": 1e999}',
        b'{"account": 1, "account": 2}',
        b'{"memo": "\\ud800"}',
        b"[" * 30_000,
        b'{"account": ' + b"9" * 5000 + b"}",
    ],
)
def test_malformed_json_is_400(shared: Client, body: bytes) -> None:
    response = shared.signed("POST", "/api/v4/withdrawals", body=body)
    assert (response.status_code, response.json()["label"]) == (400, "INVALID_REQUEST_BODY")


def test_a_body_over_the_cap_is_413_in_both_shapes(start: Callable[..., Client]) -> None:
    client = start(body_limit_bytes=1000)
    response = client.signed("POST", "/api/v4/withdrawals", body=b" " * 1001)
    assert (response.status_code, response.json()["label"]) == (413, "REQUEST_TOO_LARGE")
    response = client.ticket("POST", "/api/v2/tickets", {"comment": {"body": "b" * 1001}})
    assert (response.status_code, response.json()["error"]) == (413, "REQUEST_TOO_LARGE")


def test_unknown_paths_methods_and_queries_answer_json(shared: Client) -> None:
    client = shared
    assert client.http.get("/nothing").json()["label"] == "NOT_FOUND"
    assert client.http.get("/api/v2/nothing").json()["error"] == "NOT_FOUND"
    wrong_method = client.http.get("/api/v4/withdrawals")
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    for query in ("withdraw_order_id=a&colour=1", "withdraw_order_id=a&withdraw_order_id=b"):
        assert client.signed("GET", "/api/v4/wallet/withdrawals", query=query).status_code == 400


def test_limits_of_one_withdrawal_and_of_a_day(start: Callable[..., Client]) -> None:
    client = start(withdrawal_limit_usd=100, daily_limit_usd=150)
    over = client.withdraw("a-1", amount="100.01")
    assert (over.status_code, over.json()["label"]) == (400, "WITHDRAWAL_OVER_LIMIT")
    assert client.withdraw("a-2", amount="100").status_code == 202
    assert client.withdraw("a-3", amount="50.01").status_code == 400
    assert (
        client.withdraw(
            "a-4", amount="0.0008", currency="BTC", chain="BTC", address=sample_address("BTC", 1)
        ).status_code
        == 202
    )
    assert client.withdraw("a-5", amount="3").status_code == 400
    assert client.withdraw("a-6", amount="2").status_code == 202
    assert client.withdraw("a-7", account=8, amount="100").status_code == 202


def test_the_fee_counts_against_the_balance(start: Callable[..., Client]) -> None:
    client = start(opening_balance_usd=100)
    short = client.withdraw("a-1", amount="99.01")
    assert (short.status_code, short.json()["label"]) == (400, "BALANCE_NOT_ENOUGH")
    assert client.withdraw("a-1", amount="99").json()["fee"] == "1"
    assert client.ledger()["customers_available"] == "0"


def test_a_withdrawal_is_paid_and_the_ledger_follows(start: Callable[..., Client]) -> None:
    client = start()
    client.withdraw("a-1")
    wait_until(lambda: client.status("a-1") == "DONE", "DONE")
    (record,) = client.withdrawals("a-1")
    assert len(record["txid"]) == 64
    assert int(record["block_number"]) > 0
    house = client.ledger()["house"]
    assert house == {"funding": "-250000", "pending": "0", "paid": "10", "fees": "1"}


def test_a_failed_payment_returns_amount_fee_and_daily_limit(start: Callable[..., Client]) -> None:
    client = start(fail_share=1.0, daily_limit_usd=10)
    client.withdraw("a-1")
    wait_until(lambda: client.status("a-1") == "FAIL", "FAIL")
    assert client.withdrawals("a-1")[0]["txid"] == ""
    assert client.ledger()["customers_available"] == "250000"
    assert client.withdraw("a-2").status_code == 202


def test_a_review_holds_a_withdrawal(start: Callable[..., Client]) -> None:
    client = start(review_share=1.0, review_s=3600.0)
    client.withdraw("a-1")
    wait_until(lambda: client.status("a-1") == "MANUAL", "MANUAL")


def test_reviews_and_failures_follow_from_the_seed_and_have_their_share(start: Callable[..., Client]) -> None:
    client = start(fail_share=0.25)
    for i in range(200):
        assert client.withdraw(f"f-{i}", account=i).status_code == 202
    wait_until(lambda: {row["status"] for row in client.pages("withdrawals")} <= {"DONE", "FAIL"}, "all final")
    failed = {row["withdraw_order_id"] for row in client.pages("withdrawals") if row["status"] == "FAIL"}
    assert 25 <= len(failed) <= 75  # 50 +- 4 standard deviations
    for i in range(200):
        assert client.withdraw(f"f-{i}", account=1000 + i).status_code == 202
    wait_until(lambda: {row["status"] for row in client.pages("withdrawals")} <= {"DONE", "FAIL"}, "all final")
    rows = client.pages("withdrawals")[200:]
    assert {row["withdraw_order_id"] for row in rows if row["status"] == "FAIL"} == failed


def test_a_ticket_for_each_post_even_with_the_same_marker(start: Callable[..., Client]) -> None:
    client = start()
    answers = [client.create_ticket("m-1") for _ in range(3)]
    assert [response.status_code for response in answers] == [201] * 3
    ids = {response.json()["ticket"]["id"] for response in answers}
    assert len(ids) == 3
    assert client.ticket("GET", "/api/v2/tickets/count").json()["count"]["value"] == 3
    viewed = client.ticket("GET", answers[0].headers["Location"]).json()["ticket"]
    assert viewed == answers[0].json()["ticket"]
    assert viewed.items() >= {"subject": "Where is it", "description": "gone", "external_id": "m-1"}.items()
    assert (viewed["tags"], viewed["status"]) == (["delay"], "open")


def test_an_idempotency_key_is_honoured_as_zendesk_does(start: Callable[..., Client]) -> None:
    client, key = start(), {"Idempotency-Key": "k-1"}
    first = client.create_ticket("m-1", **key)
    client.ticket("PUT", first.headers["Location"], {"status": "solved"})
    again = client.create_ticket("m-1", **key)
    assert (first.headers["x-idempotency-lookup"], again.headers["x-idempotency-lookup"]) == ("miss", "hit")
    assert (again.status_code, again.json()) == (201, first.json())
    other = client.create_ticket("m-2", **key)
    assert (other.status_code, other.json()["error"]) == (400, "IdempotentRequestError")
    assert len(client.pages("tickets")) == 1
    assert client.create_ticket("m-3", **{"Idempotency-Key": "k" * 256}).status_code == 400


def test_a_ticket_only_moves_forward_and_closed_stays_closed(start: Callable[..., Client]) -> None:
    client = start()
    path = client.create_ticket("m-1").headers["Location"]
    for status, code in (("pending", 200), ("open", 422), ("pending", 200), ("closed", 200), ("closed", 422)):
        assert client.ticket("PUT", path, {"status": status}).status_code == code, status
    refused = client.ticket("PUT", path, {"comment": {"body": "again"}})
    assert (refused.status_code, refused.json()["error"]) == (422, "RecordInvalid")
    assert client.ticket("GET", path).json()["ticket"]["status"] == "closed"
    assert client.ticket("GET", "/api/v2/tickets/count?status=open").json()["count"]["value"] == 0
    assert client.ticket("GET", "/api/v2/tickets/count?status=closed").json()["count"]["value"] == 1


@pytest.mark.parametrize(
    ("ticket", "status", "field"),
    [
        ({}, 422, "comment"),
        ({"comment": {}}, 422, "comment"),
        ({"comment": {"body": ""}}, 422, "comment"),
        ({"comment": {"body": "b", "html": "x"}}, 422, "comment"),
        ({"comment": {"body": "b"}, "colour": "red"}, 422, "colour"),
        ({"comment": {"body": "b"}, "subject": 7}, 422, "subject"),
        ({"comment": {"body": "b"}, "tags": "delay"}, 422, "tags"),
        ({"comment": {"body": "b"}, "requester_id": "7"}, 422, "requester_id"),
        ({"comment": {"body": "b"}, "requester_id": 2**63}, 422, "requester_id"),
        ({"comment": {"body": "b"}, "priority": "now"}, 422, "priority"),
        ({"comment": {"body": "b"}, "status": "open"}, 422, "status"),
    ],
)
def test_a_wrong_ticket_is_refused(shared: Client, ticket: dict[str, Any], status: int, field: str) -> None:
    client = shared
    response = client.ticket("POST", "/api/v2/tickets", ticket)
    assert (response.status_code, list(response.json()["details"])) == (status, [field])
    assert client.pages("tickets") == []


def test_tickets_that_are_not_there_are_404(start: Callable[..., Client]) -> None:
    client = start()
    for path in ("/api/v2/tickets/1", "/api/v2/tickets/x", "/api/v2/tickets/" + "9" * 30):
        response = client.ticket("GET", path)
        assert (response.status_code, response.json()["error"]) == (404, "RecordNotFound")
        assert client.ticket("PUT", path, {"status": "solved"}).status_code == 404


def test_over_the_ticket_rate_limit_is_429_with_retry_after(start: Callable[..., Client]) -> None:
    client = start(ticket_rate_limit_per_min=3)
    answers = [client.create_ticket("m") for _ in range(8)]  # at most two minutes' worth can pass
    codes = [response.status_code for response in answers]
    assert codes.count(201) in (3, 6)
    assert set(codes) == {201, 429}
    assert all(1 <= int(r.headers["Retry-After"]) <= 60 for r in answers if r.status_code == 429)


def test_tokens_open_their_own_part_only(shared: Client) -> None:
    client = shared
    for path, wrong in (("/api/v2/tickets/1", SECRETS.admin_token), ("/admin/ledger", SECRETS.ticket_token)):
        assert client.http.get(path).status_code == 401
        assert client.http.get(path, headers={"Authorization": "Bearer no"}).status_code == 401
        assert client.http.get(path, headers={"Authorization": f"Bearer {wrong}"}).status_code == 403


def test_login_gives_a_token_that_shows_the_account(start: Callable[..., Client]) -> None:
    client = start()
    client.withdraw("a-1", account=7)
    token = client.login(7).json()["token"]
    account = client.http.get("/api/v1/account", headers={"Authorization": f"Bearer {token}"})
    assert account.json() == {"account": 7, "balances": {"USDT": "249989"}}
    forged = "8" + token[1:]
    for wrong in (forged, "x", "a.b.c", token[:-1]):
        assert client.http.get("/api/v1/account", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401


def test_a_wrong_login_is_401_and_a_malformed_one_400(shared: Client) -> None:
    client = shared
    assert client.login(7, "wrong").status_code == 401
    assert client.login(10_000_001).status_code == 401
    for body in ({"account": "7", "password": "x"}, {"account": 7}, {"account": 7, "password": "x", "more": 1}):
        assert client.http.post("/api/v1/login", json=body).status_code == 400


def test_administrative_pages_hold_every_row_once(start: Callable[..., Client]) -> None:
    client = start()
    for i in range(7):
        assert client.withdraw(f"run1-{i}", account=i).status_code == 202
        assert client.create_ticket(f"run1-{i}").status_code == 201
    client.withdraw("other-1")
    client.create_ticket("other-1")
    for name, key in (("withdrawals", "withdraw_order_id"), ("tickets", "external_id")):
        for limit in (1, 3, 7, 500):
            rows = client.pages(name, prefix="run1-", limit=limit)
            assert [row[key] for row in rows] == [f"run1-{i}" for i in range(7)]
        assert len(client.pages(name)) == 8
    for limit in (2, 500):
        assert [row["account"] for row in client.pages("balances", limit=limit)] == list(range(8))
    for query in ("limit=x", "after=-1", "colour=1", "limit=5000"):
        assert client.admin(f"/admin/withdrawals?{query}").status_code == 400


def test_a_prefix_is_no_pattern(start: Callable[..., Client]) -> None:
    client = start()
    client.withdraw("abc-1")
    assert client.pages("withdrawals", prefix="a_c") == []
    assert client.pages("withdrawals", prefix="a%25") == []


@pytest.mark.parametrize("body", [{"seconds": -1}, {"seconds": "1"}, {"seconds": 1, "more": 1}, {}, {"seconds": 1e9}])
def test_a_stall_that_is_not_understood_is_400(shared: Client, body: dict[str, object]) -> None:
    assert shared.admin("/admin/stall", "POST", body).status_code == 400


def test_a_defect_is_500_without_its_inside_and_the_server_goes_on(
    start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start()

    def broken(*_arguments: object) -> None:
        raise RuntimeError("something inside")

    with monkeypatch.context() as patch:
        patch.setattr(withdrawals, "find", broken)
        alone = {"Connection": "close"}  # the server closes a connection after a defect
        path, query = "/api/v4/wallet/withdrawals", "withdraw_order_id=a-1"
        response = client.signed("GET", path, query=query, headers=alone)
        assert (response.status_code, response.json()["label"]) == (500, "SERVER_ERROR")
        assert "inside" not in response.text
    assert client.withdrawals("a-1") == []


def test_health_tells_when_the_paying_worker_failed(
    start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("something inside")

    monkeypatch.setattr(payments, "advance", broken)
    client = start()
    wait_until(lambda: client.http.get("/health").status_code == 503, "a failing health check")
    assert client.http.get("/health").json()["status"] == "failing"


def test_a_nul_is_refused_and_what_only_looks_like_one_is_kept(shared: Client) -> None:
    for text in ("a\0b", "\\\0", "\0"):
        response = shared.ticket("POST", "/api/v2/tickets", {"comment": {"body": text}, "external_id": "nul-1"})
        assert (response.status_code, response.json()["error"]) == (400, "INVALID_REQUEST_BODY"), repr(text)
        assert shared.withdraw("nul-1", memo=text).status_code == 400
    kept = "\\u0000 and \\\\u0000"
    response = shared.ticket("POST", "/api/v2/tickets", {"comment": {"body": kept}, "external_id": "nul-1"})
    assert (response.status_code, response.json()["ticket"]["description"]) == (201, kept)
    assert shared.signed("GET", "/api/v4/wallet/withdrawals", query="withdraw_order_id=a%00").status_code == 400
    assert shared.admin("/admin/tickets?prefix=%00").status_code == 400
    assert [row["external_id"] for row in shared.pages("tickets", prefix="nul-1")] == ["nul-1"]

"""What the withdrawal and ticket dialects read back: their documented histories, page by page, odd rows included."""

from __future__ import annotations

import json
import multiprocessing
import threading
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from loadtests import dialects
from loadtests.core.faults import InputError
from loadtests.dialect import answers, signing
from loadtests.dialect.contract import (
    Answer,
    Arrival,
    Cancelling,
    Holdings,
    ReadError,
    Request,
    Ticket,
    Withdrawal,
    named,
)
from loadtests.reconciliation.check import Asked, StoredEvidence
from loadtests.reconciliation.checks import reconcile
from loadtests.reconciliation.observations import Observations
from tests.tools.dialect_contract import ENVIRONS, PREFIX, spoken

EXCHANGES = ("gate", "mexc", "binance", "kraken")
MINE, OTHERS = f"{PREFIX}3", "ws-ffffffffff-3"
BALANCES = {
    "gate": [{"currency": "USDT", "available": "50.5", "locked": "1"}, {"currency": "BTC", "available": "0.1"}],
    "mexc": {
        "balances": [
            {"asset": "USDT", "free": "50", "locked": "0.5"},
            {"asset": "BTC", "free": "0.1", "locked": "0"},
        ]
    },
    "kraken": {"error": [], "result": {"USDT": "50.5", "XXBT": "0.1", "XBT.F": "7", "ETH.S": "1"}},
}  # fmt: skip
BALANCES["binance"] = BALANCES["mexc"]


def row(name: str, key: str, number: int, status: str) -> dict[str, Any]:
    """Return one row of a history as the API documents it: 10 USDT asked for, 1 of it the fee."""
    address, at = "TPyjyZfsYaXStgz2NmAraF1uZcMtkgNan5", 1_700_000_000
    if name == "gate":
        block = "4157" if status == "DONE" else "0"
        return {"id": f"w{number}", "timestamp": str(at), "withdraw_order_id": key, "currency": "USDT", "txid": "t1",
                "address": address, "block_number": block, "amount": "10", "fee": "1", "status": status}  # fmt: skip
    if name == "kraken":
        return {"method": "Tether USD", "asset": "USDT", "refid": f"R{number}", "txid": "t1", "info": address,
                "amount": "9.00000000", "fee": "1.00000000", "time": at, "status": status,
                "key": "withstand-USDT"}  # fmt: skip
    common = {"id": f"b{number}", "coin": "USDT", "address": address, "transactionFee": "1", "txId": "t1"}
    if name == "mexc":
        return {**common, "amount": "10", "status": status, "remark": key, "memo": None, "applyTime": str(at * 1000)}
    return {**common, "amount": "9.00000000", "status": int(status), "withdrawOrderId": key, "network": "TRX"}


STATUSES = {
    "gate": ("DONE", "REQUEST", "CANCEL", "TELEPORTED"),
    "mexc": ("7", "2", "9", "77"),
    "binance": ("6", "4", "5", "77"),
    "kraken": ("Success", "Pending", "Failure", "Teleported"),
}


class Api:
    """An API that holds some rows; the last request is kept."""

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.name, self.rows, self.n_sent = name, rows, 0
        self.last = Request("GET", "/", {})

    def __call__(self, request: Request) -> Answer:
        self.n_sent, self.last = self.n_sent + 1, request
        if "account" in request.path or request.path.endswith("Balance"):
            return reply(BALANCES[self.name])
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()}
        if self.name == "kraken":
            form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
            start = 0 if form["cursor"] == "true" else int(form["cursor"])
            after = start + 2 if start + 2 < len(self.rows) else None
            page = {"withdrawals": self.rows[start : start + 2], "next_cursor": after and str(after)}
            return reply({"error": [], "result": page})
        if self.name == "mexc":
            lo, hi = int(query["startTime"]), int(query["endTime"])
            found = [one for one in self.rows if lo <= int(one["applyTime"]) <= hi]
            return reply(found[: int(query["limit"])])
        start = int(query["offset"])
        return reply(self.rows[start : start + int(query["limit"])])


def reply(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


@pytest.fixture(autouse=True)
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be a minute after the rows of the histories."""
    for name in ("dialect.exchange", "dialects.zendesk", "dialects.mexc"):
        monkeypatch.setattr(f"loadtests.{name}.now_ms", lambda: 1_700_000_060_000)


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_history_becomes_what_was_asked_for_and_its_status(name: str) -> None:
    rows = [row(name, MINE, i, status) for i, status in enumerate(STATUSES[name])]
    held = spoken(name).holdings(Api(name, rows), PREFIX)
    key, address = (MINE, rows[0].get("address")) if name != "kraken" else ("", "withstand-USDT")
    paid, pending, failed, strange = held.withdrawals
    for one in held.withdrawals:
        assert (one.key, one.currency, one.amount, one.fee, one.address) == (key, "USDT", 10, 0, address)
    assert [(one.failed, one.stage, one.final) for one in (paid, pending, failed, strange)] == [
        (False, 1, True),
        (False, 0, False),
        (True, 1, True),
        (False, -1, False),
    ]
    assert (paid.chain_id, strange.status) == ("t1", STATUSES[name][3])
    assert len({one.server_id for one in held.withdrawals}) == 4
    assert held.balances == {"USDT": Decimal("50.5"), "BTC": Decimal("0.1")}


def test_gates_done_is_final_only_on_the_chain() -> None:
    done = {**row("gate", MINE, 1, "DONE"), "block_number": "0"}
    (one,) = spoken("gate").holdings(Api("gate", [done]), PREFIX).withdrawals
    assert (one.final, one.stage, one.failed) == (False, 1, False)


@pytest.mark.parametrize(
    ("name", "fee", "amount", "charged"),
    [("gate", "within", "10", "0"), ("gate", "beside", "10", "1"), ("gate", "net", "11", "0"),
     ("kraken", "net", "10", "0"), ("kraken", "within", "9", "0"), ("binance", "beside", "9", "1")],
)  # fmt: skip
def test_the_place_of_the_fee_is_a_setting(name: str, fee: str, amount: str, charged: str) -> None:
    environ = {**ENVIRONS[name], f"WITHSTAND_{name.upper()}_FEE": fee}
    api = Api(name, [row(name, MINE, 1, STATUSES[name][0])])
    held: Any = dialects.load(name, environ).holdings(api, PREFIX)
    assert [(one.amount, one.fee) for one in held.withdrawals] == [(Decimal(amount), Decimal(charged))]
    with pytest.raises(InputError, match="got twice; must be one of within, beside, net"):
        dialects.load(name, {**environ, f"WITHSTAND_{name.upper()}_FEE": "twice"})


@pytest.mark.parametrize("name", ["gate", "mexc", "binance"])
def test_others_withdrawals_are_told_apart_and_what_they_spent_counted(name: str) -> None:
    paid, _, failed, _ = STATUSES[name]
    rows = [row(name, MINE, 1, paid), row(name, OTHERS, 2, paid), row(name, OTHERS, 3, failed), row(name, "", 4, paid)]
    held = spoken(name).holdings(Api(name, rows), PREFIX)
    assert [one.key for one in held.withdrawals] == [MINE]
    assert held.spent_by_others == {"USDT": Decimal(20)}


@pytest.mark.parametrize(("name", "n_rows", "n_pages"), [("gate", 250, 3), ("gate", 200, 3), ("binance", 1500, 2)])
def test_every_page_of_a_history_is_read(name: str, n_rows: int, n_pages: int) -> None:
    rows = [row(name, f"{PREFIX}{i}", i, STATUSES[name][0]) for i in range(n_rows)]
    api = Api(name, rows)
    held = spoken(name).holdings(api, PREFIX)
    assert [one.key for one in held.withdrawals] == [f"{PREFIX}{i}" for i in range(n_rows)]
    assert api.n_sent == n_pages + 1


def test_kraken_follows_the_cursor() -> None:
    rows = [row("kraken", "", i, "Success") for i in range(5)]
    held = spoken("kraken").holdings(Api("kraken", rows), PREFIX)
    assert [one.server_id for one in held.withdrawals] == [f"R{i}" for i in range(5)]


def test_mexcs_history_without_pages_is_read_by_halves_of_time() -> None:
    rows = [
        {**row("mexc", f"{PREFIX}{i}", i, "7"), "applyTime": str(1_700_000_000_000 + 7 * (i // 3))} for i in range(3500)
    ]
    held = spoken("mexc").holdings(Api("mexc", rows), PREFIX)
    assert sorted(one.key for one in held.withdrawals) == sorted(f"{PREFIX}{i}" for i in range(3500))
    crowd = [row("mexc", f"{PREFIX}{i}", i, "7") for i in range(1000)]
    with pytest.raises(ReadError, match="in one millisecond"):
        spoken("mexc").holdings(Api("mexc", crowd), PREFIX)


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("broken", [{"amount": "much"}, {"status": None}, {"fee": "x", "transactionFee": "x"}])
def test_a_row_that_cannot_be_read_is_told(name: str, broken: dict[str, Any]) -> None:
    rows: list[Any] = [{**row(name, MINE, 1, STATUSES[name][0]), **broken}]
    if "status" in broken:
        rows = ["no row"]
        if name == "mexc":
            return  # its rows are chosen by their time here
    with pytest.raises(ReadError, match="row that cannot be read"):
        spoken(name).holdings(Api(name, rows), PREFIX)


@pytest.mark.parametrize("name", [*EXCHANGES, "zendesk"])
@pytest.mark.parametrize(
    "answer",
    [reply({}, 500), reply({}, 429), reply({}, 302), reply("text"), Answer(200, {}, b"[{"), Answer(200, {}, b"")],
)
def test_a_server_that_cannot_be_read_is_told(name: str, answer: Answer) -> None:
    with pytest.raises(ReadError):
        spoken(name).holdings(lambda request: answer, PREFIX)


def test_krakens_error_inside_200_is_no_empty_history() -> None:
    told = reply({"error": ["EAPI:Invalid key"], "result": {}})
    for read in (lambda: spoken("kraken").balances(lambda request: told),
                 lambda: spoken("kraken").holdings(lambda request: told, PREFIX)):  # fmt: skip
        with pytest.raises(ReadError, match="EAPI:Invalid key"):
            read()


def test_an_id_names_what_has_no_key_and_the_rest_is_others() -> None:
    rows = [row("kraken", "", i, "Failure" if i == 3 else "Success") for i in range(4)]
    held: Holdings = named(spoken("kraken").holdings(Api("kraken", rows), PREFIX), {"R1": MINE})
    assert [(one.key, one.server_id) for one in held.withdrawals] == [(MINE, "R1")]
    assert held.spent_by_others == {"USDT": Decimal(20)}


def test_available_is_the_balance_of_the_asked_currency() -> None:
    arrival = Arrival(3, "withdrawal", "BTC", 1, 100, 1)
    assert spoken("kraken").available(Api("kraken", []), arrival) == Decimal("0.1")
    assert spoken("gate").available(Api("gate", []), arrival._replace(kind="ETH")) == 0


# --- cancelling and closing ---

CANCELS = [
    ("gate", reply({"id": "w1", "status": "CANCEL"}, 202), reply({"label": "INVALID_PARAM"}, 400), "400 INVALID_PARAM"),
    ("mexc", reply({"id": "w1"}), reply({"code": 30000, "msg": "no"}), "200 30000"),
    ("kraken", reply({"error": [], "result": True}), reply({"error": ["EFunding:Too late"]}), "200 EFunding:Too late"),
    ("kraken", reply({"error": [], "result": True}), reply({"error": [], "result": False}), "cannot be read"),
]


@pytest.mark.parametrize(("name", "taken", "refused", "reason"), CANCELS)
def test_a_cancellation_is_taken_or_says_why_not(name: str, taken: Answer, refused: Answer, reason: str) -> None:
    asked = Withdrawal(MINE, "BTC", "a", Decimal(1), server_id="w1")
    sent: list[Request] = []
    assert spoken(name).cancel(lambda request: sent.append(request) or taken, asked) == ""
    assert "w1" in sent[0].path + sent[0].body.decode()
    assert reason in spoken(name).cancel(lambda request: refused, asked)


def test_kraken_cancels_in_its_own_name_of_the_coin() -> None:
    sent: list[Request] = []
    spoken("kraken").cancel(lambda one: sent.append(one) or reply({"error": [], "result": True}), Withdrawal(
        MINE, "BTC", "a", Decimal(1), server_id="R1"))  # fmt: skip
    assert parse_qs(sent[0].body.decode())["asset"] == ["XBT"]


def test_binance_has_no_way_to_cancel() -> None:
    assert not isinstance(spoken("binance"), Cancelling)
    assert all(isinstance(spoken(name), Cancelling) for name in ("gate", "mexc", "kraken"))


@pytest.mark.parametrize("name", ["zendesk", "reference"])
def test_a_ticket_is_closed_or_it_is_said_why_not(name: str) -> None:
    sent: list[Request] = []
    assert spoken(name).close(lambda one: sent.append(one) or reply({"ticket": {}}), Ticket(MINE, "71")) == ""
    assert (sent[0].method, sent[0].path) == ("PUT", "/api/v2/tickets/71")
    assert (
        spoken(name).close(lambda one: reply({"error": "RecordInvalid"}, 422), Ticket(MINE, "71"))
        == "422 RecordInvalid"
    )


# --- Zendesk's tickets ---


def test_zendesk_reads_the_tickets_made_since_the_start_newest_first() -> None:
    def ticket(number: int, at: str, key: object) -> dict[str, Any]:
        return {"id": number, "created_at": at, "external_id": key, "status": "solved" if number == 8 else "new"}

    new, old = "2023-11-14T22:14:00Z", "2023-11-14T20:00:00Z"
    pages = {
        "": ([ticket(9, new, MINE), ticket(8, new, f"{PREFIX}4")], "c1"),
        "c1": ([ticket(7, new, None), ticket(6, old, OTHERS)], "c2"),
        "c2": ([ticket(5, old, f"{PREFIX}5")], "c3"),
    }

    def send(request: Request) -> Answer:
        query = parse_qs(urlsplit(request.path).query)
        assert (query["sort"], query["page[size]"]) == (["-id"], ["100"])
        rows, cursor = pages[query.get("page[after]", [""])[0]]
        return reply({"tickets": rows, "meta": {"has_more": True, "after_cursor": cursor}})

    held = spoken("zendesk").holdings(send, PREFIX)
    assert [(one.key, one.server_id, one.is_open) for one in held.tickets] == [
        (MINE, "9", True),
        (f"{PREFIX}4", "8", False),
    ]


# --- patience and nonces ---


def test_reads_around_a_run_wait_as_long_as_they_are_asked_to() -> None:
    told = [Answer(429, {"retry-after": "7"}, b""), Answer(429, {}, b""), Answer(429, {"retry-after": "900"}, b"")]
    waits: list[float] = []
    send = answers.patient(lambda request: told.pop(0) if told else reply([]), waits.append)
    assert send(Request("GET", "/", {})).status == 200
    assert waits == [7, 1, 60]
    always = answers.patient(lambda request: Answer(429, {}, b""), waits.append)
    assert always(Request("GET", "/", {})).status == 429


def test_nonces_rise_under_threads_and_when_the_clock_stands_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([5_000_000, 5_000_000, 4_000_000, 5_000_000_000])
    nonce = signing.Nonce()
    with monkeypatch.context() as patch:
        patch.setattr("time.time_ns", lambda: next(clock))
        made = [nonce.next() for _ in range(4)]
    assert made == sorted(set(made))
    found: list[int] = []

    def take() -> None:
        mine = [signing.Nonce.of("one key").next() for _ in range(3000)]
        assert mine == sorted(set(mine))
        found.extend(mine)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 12_000
    assert max(found) < 2**63


def _nonces(count: int) -> list[int]:
    return [signing.Nonce.of("one key").next() for _ in range(count)]


def test_two_processes_with_one_key_never_take_the_same_nonce() -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(_nonces, [2000, 2000], chunksize=1)
    assert len({one for part in parts for one in part}) == 4000


def test_two_instances_of_kraken_share_the_nonce_of_their_key() -> None:
    one, two = spoken("kraken"), spoken("kraken")
    sent = [dialect.signed("Balance", {}).body for dialect in (one, two, one, two)]
    numbers = [int(body.decode().removeprefix("nonce=")) for body in sent]
    assert numbers == sorted(set(numbers))


def test_a_secret_that_is_no_base64_is_refused_without_being_shown() -> None:
    with pytest.raises(InputError) as caught:
        dialects.load("kraken", {**ENVIRONS["kraken"], "WITHSTAND_KRAKEN_SECRET": "not base 64!"})
    assert "must be base64" in caught.value.faults[0]
    assert "not base" not in caught.value.faults[0]


def test_what_an_api_without_client_ids_cannot_tell_is_not_judged() -> None:
    rows = [row("kraken", "", i, "Success") for i in range(2)]
    held = named(spoken("kraken").holdings(Api("kraken", rows), PREFIX), {"R1": MINE})
    asked = Withdrawal(MINE, "USDT", "withstand-USDT", Decimal(10))
    columns = {
        "endpoint": ["withdrawal"] * 3,
        "sent_us": [0, 1, 2],
        "outcome": ["acknowledged", "unknown", "rejected"],
        "key": [MINE, f"{PREFIX}4", f"{PREFIX}5"],
        "server_id": ["R1", "", ""],
        "done_us": [1, -1, 2],
        "status": [200, 0, 200],
    }
    found = reconcile(StoredEvidence(pl.DataFrame(columns), Asked({MINE: asked}, {}), held, None, Observations()))
    judged = {check["name"]: check["passed"] for check in found["checks"]}
    assert (judged["W1"], judged["W2"]) == (True, True)
    assert (judged["W3"], judged["W4"], judged["W5"]) == (None, None, None)
    assert found["unknown"]["withdrawal"] == {"untold": 1}

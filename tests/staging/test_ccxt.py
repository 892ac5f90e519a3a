"""The reference server as ccxt's own Gate client meets it: only the address of the API is another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from loadtests.staging.settings import Settings
from tests.support.servers.addresses import sample_address
from tests.support.servers.staging_client import SECRETS, Client, staging_thread, wait_until
from tests.support.servers.strangers import gate_client

QUICK: dict[str, Any] = {"payment_s": 0.0, "review_share": 0.0, "review_s": 0.0}
HELD: dict[str, Any] = {**QUICK, "review_share": 1.0, "review_s": 3600.0}
DAY_MS = 86_400_000


@pytest.fixture
def start(new_database: Callable[[], Path | str]) -> Iterator[Callable[..., tuple[Any, Client]]]:
    """Start a server of the test's own; return ccxt's client of it, and ours."""
    with contextlib.ExitStack() as stack:

        def enter(**changes: Any) -> tuple[Any, Client]:
            settings = Settings(**{**QUICK, **changes})
            client = stack.enter_context(staging_thread(settings, new_database()))
            return gate_client(str(client.http.base_url)), client

        yield enter


def withdraw(gate: Any, client_id: str, amount: float = 10, **params: Any) -> dict[str, Any]:
    sent = {"network": "TRC20", "withdraw_order_id": client_id, **params}
    made: dict[str, Any] = gate.withdraw("USDT", amount, sample_address("TRX", 1), params=sent)
    return made


def test_it_withdraws_lists_and_reads_its_balance(start: Callable[..., Any]) -> None:
    gate, client = start()
    before = gate.fetch_balance()
    assert {code: before[code]["free"] for code in ("USDT", "BTC")} == {"USDT": 250_000, "BTC": 4.16666666}
    made = withdraw(gate, "c-1")
    assert (made["currency"], made["type"], made["status"]) == ("USDT", "withdrawal", "pending")
    assert (made["network"], made["address"]) == ("TRC20", sample_address("TRX", 1))
    wait_until(lambda: client.status("c-1") == "DONE", "DONE")
    (listed,) = gate.fetch_withdrawals("USDT")
    assert (listed["id"], listed["status"], len(listed["txid"])) == (made["id"], "ok", 64)
    assert listed["info"]["withdraw_order_id"] == "c-1"
    assert gate.fetch_balance()["USDT"]["free"] == 250_000 - 10 - 1  # the amount, and its fee beside it
    assert client.ledger()["customers_available"] == "249989"


def test_a_memo_and_no_client_id_are_taken_any_number_of_times(start: Callable[..., Any]) -> None:
    gate, client = start()
    address = sample_address("TRX", 2)
    made = [gate.withdraw("USDT", 5, address, "note", {"network": "TRC20"}) for _ in range(2)]
    assert [one["tag"] for one in made] == ["note", "note"]
    assert len({one["id"] for one in made}) == 2
    assert [row["withdraw_order_id"] for row in client.pages("withdrawals")] == ["", ""]


def test_the_list_is_the_keys_own_newest_first_in_pages_of_a_time_and_a_currency(start: Callable[..., Any]) -> None:
    gate, client = start(daily_limit_usd=10**6)
    for i in range(5):
        withdraw(gate, f"l-{i}")
    assert client.withdraw("another-1", account=9).status_code == 202
    gate.withdraw("ETH", 0.5, sample_address("ETH", 1), params={"network": "ERC20"})
    now_ms = gate.fetch_time()

    def listed(*arguments: Any, **params: Any) -> list[str]:
        rows = gate.fetch_withdrawals(*arguments, params=params)
        in_order = [row["withdraw_order_id"] for row in json.loads(gate.last_http_response)]
        assert sorted(row["info"]["withdraw_order_id"] for row in rows) == sorted(in_order)
        return in_order  # ccxt sorts by the second

    assert listed("USDT") == [f"l-{i}" for i in (4, 3, 2, 1, 0)]
    assert listed("USDT", None, 2) == ["l-4", "l-3"]
    assert listed("USDT", None, 2, offset=2) == ["l-2", "l-1"]
    assert listed("ETH") == [""]
    assert len(listed(None, now_ms - DAY_MS)) == 6
    assert listed(None, now_ms - 9 * DAY_MS, until=now_ms - 8 * DAY_MS) == []
    assert listed(None, withdraw_order_id="l-3") == ["l-3"]


def test_a_withdrawal_that_nobody_took_up_is_cancelled_and_the_money_is_back(start: Callable[..., Any]) -> None:
    gate, client = start(**HELD, daily_limit_usd=10)
    made = withdraw(gate, "x-1")
    assert gate.fetch_balance()["USDT"]["free"] == 250_000 - 11
    gate.private_withdrawals_delete_withdrawals_withdrawal_id({"withdrawal_id": made["id"]})
    assert client.status("x-1") == "CANCEL"
    assert gate.fetch_withdrawals("USDT")[0]["status"] == "canceled"
    assert gate.fetch_balance()["USDT"]["free"] == 250_000
    books = client.ledger()
    assert (books["sum"], books["unequal_balances"], books["house"]["pending"]) == ("0", 0, "0")
    withdraw(gate, "x-2")  # the day's limit is back as well
    with pytest.raises(ccxt.ExchangeError, match="INVALID_WITHDRAW_CANCEL_STATUS"):
        gate.private_withdrawals_delete_withdrawals_withdrawal_id({"withdrawal_id": made["id"]})


@pytest.mark.parametrize("withdrawal_id", ["w99", "99", "x", "w" + "9" * 30])
def test_what_is_not_there_or_not_its_own_cannot_be_cancelled(start: Callable[..., Any], withdrawal_id: str) -> None:
    gate, client = start(**HELD)
    others = client.withdraw("y-1", account=9).json()["id"]
    for named in (withdrawal_id, others):
        with pytest.raises(ccxt.ExchangeError, match="INVALID_WITHDRAW_ID"):
            gate.private_withdrawals_delete_withdrawals_withdrawal_id({"withdrawal_id": named})
    assert client.status("y-1") in ("REQUEST", "MANUAL")


def test_refusals_are_ccxts_own_exceptions(start: Callable[..., Any]) -> None:
    gate, client = start(opening_balance_usd=100)
    with pytest.raises(ccxt.InsufficientFunds):
        withdraw(gate, "r-1", 100)
    with pytest.raises(ccxt.ExchangeError, match="INVALID_ADDRESS"):
        gate.withdraw("USDT", 1, sample_address("ETH", 1), params={"network": "TRC20"})
    with pytest.raises(ccxt.ExchangeError, match="MISSING_REQUIRED_PARAM"):
        gate.withdraw("USDT", 1, sample_address("TRX", 1))
    for wrong in ({"secret": "another"}, {"apiKey": "another"}):
        stranger = gate_client(str(client.http.base_url))
        for name, value in wrong.items():
            setattr(stranger, name, value)
        for ask in (stranger.fetch_balance, stranger.fetch_withdrawals, lambda one=stranger: withdraw(one, "r-2")):
            with pytest.raises(ccxt.AuthenticationError):
                ask()
    assert client.pages("withdrawals") == []


@pytest.mark.parametrize(
    "params",
    [{"limit": 101}, {"from": 0, "to": 31 * 86_400}, {"offset": -1}, {"currency": "DOGE"}, {"withdraw_id": "x"}],
)
def test_a_list_that_is_not_understood_is_refused(start: Callable[..., Any], params: dict[str, Any]) -> None:
    gate, _ = start()
    with pytest.raises(ccxt.BaseError, match="INVALID"):
        gate.private_wallet_get_withdrawals(params)


def test_its_markets_are_those_of_an_exchange_that_trades_nothing(start: Callable[..., Any]) -> None:
    gate, _ = start()
    markets = gate.load_markets()
    assert {symbol: market["active"] for symbol, market in markets.items()} == {
        "USDC/USDT": False,
        "BTC/USDT": False,
        "ETH/USDT": False,
    }
    assert set(gate.currencies["USDT"]["networks"]) == {"TRC20", "ERC20"}
    assert SECRETS.api_secret not in str(gate.last_http_response)

"""The requests of each withdrawal dialect against ccxt's own signatures, with the time and the nonce held still.

ccxt signs for every one of these APIs and shares no line with the dialects. It is asked for the very parameters that a
dialect sends, and for random ones with every sort of sign in them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.auth import _basic_auth_str

from loadtests import dialects
from loadtests.dialect import signing
from loadtests.dialect.contract import Arrival, Known, Request, Withdrawal
from tests.tools.dialect_contract import ENVIRONS

MANY = settings(max_examples=1000)
SEEDS = st.integers(0, 2**63 - 1)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12).filter(
    lambda name: name not in ("price", "timestamp", "recvWindow", "signature", "nonce", "query")
)
WIRE_SAFE = st.text("abcXYZ0123456789-_.~", min_size=1, max_size=30)
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20)
PARAMS = st.dictionaries(NAMES, WIRE_SAFE, min_size=1, max_size=6)
ODD_PARAMS = st.dictionaries(NAMES, ANY_TEXT, min_size=1, max_size=6)
TIMES_MS = st.integers(1_500_000_000_000, 2_500_000_000_000)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the clock and the nonces into the hands of each example."""
    monkeypatch.setattr(signing.Nonce, "next", lambda self: NOW.ms * 1000)
    for name in ("dialect.signing", "dialects.binance", "dialects.mexc"):
        monkeypatch.setattr(f"loadtests.{name}.now_ms", lambda: NOW.ms)


class NOW:
    ms = 0


def dialect(name: str) -> Any:
    return dialects.load(name, ENVIRONS[name])


def oracle(name: str) -> Any:
    key, secret = (ENVIRONS[name][f"WITHSTAND_{name.upper()}_{part}"] for part in ("KEY", "SECRET"))
    made = getattr(ccxt, name)({"apiKey": key, "secret": secret, "options": {"recvWindow": 5000}})
    made.nonce = lambda: NOW.ms * 1000 if name == "kraken" else NOW.ms
    made.milliseconds = lambda: NOW.ms
    return made


OURS = {name: dialect(name) for name in ("gate", "mexc", "binance", "kraken")}
THEIRS = {name: oracle(name) for name in OURS}
GATE_WALLET, GATE_WITHDRAW, GATE_SPOT = (["private", part] for part in ("wallet", "withdrawals", "spot"))
MEXC = ["spot", "private"]


def same(mine: Request, theirs: dict[str, Any], *headers: str) -> None:
    """Hold one request to ccxt's: method, path with query, body, and the headers named."""
    parts = urlsplit(theirs["url"])
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    assert (mine.method, mine.path) == (theirs["method"], path)
    assert mine.body == (theirs["body"] or "").encode()
    assert {name: mine.headers[name] for name in headers} == {name: theirs["headers"][name] for name in headers}


def arrivals() -> st.SearchStrategy[Arrival]:
    kinds = st.sampled_from(["USDT", "USDC", "BTC", "ETH", "DOGE", ""])
    return st.builds(
        Arrival,
        idx=st.integers(0, 10**7),
        endpoint=st.sampled_from(["withdrawal", "withdrawal_status"]),
        kind=kinds,
        customer=st.integers(1, 10**7),
        amount_cents=st.integers(0, 10**9),
        payload_seed=SEEDS,
    )


KNOWN = Known("ws-0a1b2c3d4e-", "ws-0a1b2c3d4e-7", ["ws-0a1b2c3d4e-3", "ws-0a1b2c3d4e-5"])


@MANY
@given(arrival=arrivals(), now_ms=TIMES_MS)
def test_gate_signs_each_arrival_as_ccxt_does(arrival: Arrival, now_ms: int) -> None:
    NOW.ms = now_ms
    mine = OURS["gate"].request(arrival, KNOWN)
    if arrival.endpoint == "withdrawal":
        theirs = THEIRS["gate"].sign("withdrawals", GATE_WITHDRAW, "POST", json.loads(mine.body))
    else:
        query = dict(parse_qsl(urlsplit(mine.path).query))
        theirs = THEIRS["gate"].sign("withdrawals", GATE_WALLET, "GET", query)
    same(mine, theirs, "KEY", "Timestamp", "SIGN", "Content-Type")


@MANY
@given(params=ODD_PARAMS, now_ms=TIMES_MS, method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_gate_signs_anything_as_ccxt_does(params: dict[str, str], now_ms: int, method: str) -> None:
    NOW.ms = now_ms
    if method == "POST":
        body = json.dumps(params, separators=(",", ":")).encode()
        mine = OURS["gate"].signed("POST", "/withdrawals", {}, body)
        theirs = THEIRS["gate"].sign("withdrawals", GATE_WITHDRAW, "POST", params)
    elif method == "DELETE":
        mine = OURS["gate"].signed("DELETE", "/withdrawals/w77", {})
        theirs = THEIRS["gate"].sign("withdrawals/{withdrawal_id}", GATE_WITHDRAW, "DELETE", {"withdrawal_id": "w77"})
    else:
        mine = OURS["gate"].signed("GET", "/spot/accounts", params)
        theirs = THEIRS["gate"].sign("accounts", GATE_SPOT, "GET", params)
    same(mine, theirs, "KEY", "Timestamp", "SIGN")


def unsigned(text: str, *without: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(text) if name not in ("signature", *without)}


@MANY
@given(arrival=arrivals(), now_ms=TIMES_MS)
def test_binance_signs_each_arrival_as_ccxt_does(arrival: Arrival, now_ms: int) -> None:
    NOW.ms = now_ms
    mine = OURS["binance"].request(arrival, KNOWN)
    create = arrival.endpoint == "withdrawal"
    sent = unsigned(mine.body.decode() if create else urlsplit(mine.path).query, "timestamp", "recvWindow")
    path = "capital/withdraw/apply" if create else "capital/withdraw/history"
    same(mine, THEIRS["binance"].sign(path, "sapi", mine.method, sent), "X-MBX-APIKEY")


@MANY
@given(params=ODD_PARAMS, now_ms=TIMES_MS, method=st.sampled_from(["GET", "POST"]))
def test_binance_signs_anything_as_ccxt_does(params: dict[str, str], now_ms: int, method: str) -> None:
    NOW.ms = now_ms
    mine = OURS["binance"].signed(method, "/sapi/v1/capital/withdraw/history", params)
    same(mine, THEIRS["binance"].sign("capital/withdraw/history", "sapi", method, dict(params)), "X-MBX-APIKEY")


@MANY
@given(arrival=arrivals(), now_ms=TIMES_MS)
def test_mexc_signs_each_arrival_as_ccxt_does(arrival: Arrival, now_ms: int) -> None:
    NOW.ms = now_ms
    mine = OURS["mexc"].request(arrival, KNOWN)
    sent = unsigned(urlsplit(mine.path).query, "timestamp", "recvWindow")
    path = "capital/withdraw" if arrival.endpoint == "withdrawal" else "capital/withdraw/history"
    same(mine, THEIRS["mexc"].sign(path, MEXC, mine.method, sent), "X-MEXC-APIKEY")


@MANY
@given(params=ODD_PARAMS, now_ms=TIMES_MS, method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_mexc_signs_anything_as_ccxt_does(params: dict[str, str], now_ms: int, method: str) -> None:
    NOW.ms = now_ms
    mine = OURS["mexc"].signed(method, "/api/v3/capital/withdraw", params)
    same(mine, THEIRS["mexc"].sign("capital/withdraw", MEXC, method, dict(params)), "X-MEXC-APIKEY")


@MANY
@given(arrival=arrivals(), now_ms=TIMES_MS)
def test_kraken_signs_each_arrival_as_ccxt_does(arrival: Arrival, now_ms: int) -> None:
    NOW.ms = now_ms
    mine = OURS["kraken"].request(arrival, KNOWN)
    path = "Withdraw" if arrival.endpoint == "withdrawal" else "WithdrawStatus"
    sent = unsigned(mine.body.decode(), "nonce")
    same(mine, THEIRS["kraken"].sign(path, "private", "POST", sent), "API-Key", "API-Sign", "Content-Type")


@MANY
@given(params=PARAMS, now_ms=TIMES_MS, method=st.sampled_from(["Withdraw", "WithdrawCancel", "Balance"]))
def test_kraken_signs_anything_as_ccxt_does(params: dict[str, str], now_ms: int, method: str) -> None:
    NOW.ms = now_ms
    mine = OURS["kraken"].signed(method, params)
    same(mine, THEIRS["kraken"].sign(method, "private", "POST", params), "API-Key", "API-Sign", "Content-Type")


def test_kraken_signs_the_example_in_its_documentation() -> None:
    body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    sign = signing.kraken_sign(secret, "/0/private/AddOrder", "1616492376594", body)
    assert sign == "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


def test_binance_signs_the_example_in_its_documentation() -> None:
    text = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    sign = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert signing.hex_hmac(secret, text, "sha256") == sign


@given(idx=st.integers(0, 10**9), seed=SEEDS)
def test_zendesks_token_goes_as_basic_authentication(idx: int, seed: int) -> None:
    environ = ENVIRONS["zendesk"]
    request = dialect("zendesk").request(Arrival(idx, "ticket", "kyc", 1, 0, seed), Known("p-"))
    user, token = f"{environ['WITHSTAND_ZENDESK_EMAIL']}/token", environ["WITHSTAND_ZENDESK_TOKEN"]
    assert request.headers["Authorization"] == _basic_auth_str(user, token)
    assert base64.b64decode(request.headers["Authorization"].split()[1]).decode() == f"{user}:{token}"


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("gate", lambda one: one.headers["SIGN"]),
        ("binance", lambda one: one.body[-64:]),
        ("mexc", lambda one: one.path[-64:]),
        ("kraken", lambda one: one.headers["API-Sign"]),
    ],
)
def test_another_cent_or_another_moment_is_another_signature(name: str, sign: Callable[[Request], Any]) -> None:
    found = set()
    for now_ms in (1_700_000_000_000, 1_700_000_001_000):
        for cents in (100, 101):
            NOW.ms = now_ms
            found.add(sign(OURS[name].request(Arrival(1, "withdrawal", "USDT", 1, cents, 5), KNOWN)))
    assert len(found) == 4


def test_an_asked_withdrawal_is_what_goes_over_the_wire() -> None:
    NOW.ms = 1_700_000_000_000
    asked: Withdrawal = OURS["mexc"].withdrawal(Arrival(1, "withdrawal", "BTC", 1, 123_456, 5), "ws-")
    sent = unsigned(
        urlsplit(OURS["mexc"].request(Arrival(1, "withdrawal", "BTC", 1, 123_456, 5), Known("ws-")).path).query
    )
    assert (sent["coin"], sent["amount"], sent["address"]) == ("BTC", "0.020576", asked.address)
    assert sent["withdrawOrderId"] == sent["remark"] == asked.key == "ws-1"

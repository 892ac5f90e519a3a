"""What a load test sends, as a pure function of the arrival: keys, amounts, test addresses, ticket text; and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from loadtests.dialect.contract import Arrival, Known, Withdrawal


class Asset(NamedTuple):
    """A coin: its chain, the price that turns the trace's dollars into coins (no market price), and its decimals."""

    chain: str
    price_usd: Decimal
    decimals: int


ASSETS = {
    "USDT": Asset("TRX", Decimal(1), 6),
    "USDC": Asset("ETH", Decimal(1), 6),
    "BTC": Asset("BTC", Decimal(60_000), 8),
    "ETH": Asset("ETH", Decimal(3_000), 8),
}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ADDRESS_VERSION = {"TRX": 0x41, "BTC": 0x6F}

PRIORITY = "normal"
"""What each ticket is sent as, in Zendesk's words."""
_OPENINGS = ("Hello,", "Hi,", "Good day,", "Urgent:", "To whom it may concern,")
_STORIES = (
    "this has been open since yesterday and nothing has moved.",
    "I have tried three times and get the same message.",
    "please tell me what you need from me.",
    "the app shows one thing and the e-mail says another.",
    "I need an answer today.",
)

_DECODER = json.JSONDecoder(parse_float=Decimal)
_ENCODER = json.JSONEncoder(separators=(",", ":"))
"""Made once: ``json.loads`` and ``json.dumps`` with options make theirs anew for each answer."""

Samples = Mapping[str, Sequence[str]]
"""Example messages by ticket category, as the scenario holds them."""


def key_of(arrival: Arrival, prefix: str) -> str:
    """Return the client's own key of an arrival: the run's prefix and the row in the trace."""
    return f"{prefix}{arrival.idx}"


def asked_of(arrival: Arrival, prefix: str) -> Withdrawal:
    """Return what the withdrawal of an arrival asks for; an unknown coin is asked for as USDT."""
    currency = arrival.kind if arrival.kind in ASSETS else "USDT"
    chain, price_usd, decimals = ASSETS[currency]
    unit = Decimal(1).scaleb(-decimals)
    amount = (Decimal(arrival.amount_cents) / 100 / price_usd).quantize(unit, ROUND_DOWN)
    return Withdrawal(key_of(arrival, prefix), currency, address_of(chain, arrival.payload_seed), max(amount, unit))


def plain(amount: Decimal) -> str:
    """Return an amount as digits, without exponent or trailing zeros."""
    return f"{amount.normalize():f}"


def address_of(chain: str, seed: int) -> str:
    """Return a well-formed address of a test network, made without a private key, the same for the same seed.

    Bitcoin's carry the version byte of its testnet; Tron and Ethereum write theirs alike on every network.
    """
    payload = hashlib.sha256(f"{chain} {seed}".encode()).digest()[:20]
    if chain not in _ADDRESS_VERSION:
        return "0x" + payload.hex()
    data = bytes([_ADDRESS_VERSION[chain]]) + payload
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return text


def ticket_text(arrival: Arrival, samples: Samples, prefix: str) -> tuple[str, str]:
    """Return subject and message of a ticket: one of its category's samples, and the run's marker.

    The seed chooses. A category without samples gets a plain sentence.
    """
    seed, about = arrival.payload_seed, arrival.kind.replace("_", " ")
    opening, own = _OPENINGS[seed % len(_OPENINGS)], samples.get(arrival.kind) or ()
    story = own[seed // 5 % len(own)] if own else f"about {about}: {_STORIES[seed // 5 % len(_STORIES)]}"
    case = seed % 10**9
    return f"{about}: case {case}", f"{opening} {story} (case {case})\n[{key_of(arrival, prefix)}]"


def known_key(arrival: Arrival, known: Known) -> str:
    """Return the key that a status query asks for.

    One of the acknowledged, chosen by the payload seed; before there is one the newest key sent, for which an empty
    answer is then right.
    """
    keys = known.withdrawal_keys
    return keys[arrival.payload_seed % len(keys)] if keys else known.newest_key or f"{known.prefix}none"


def json_bytes(value: object) -> bytes:
    """Return a value as compact JSON."""
    return _ENCODER.encode(value).encode()


def json_value(body: bytes) -> Any:
    """Return the JSON value in a body, its fractions as decimals; None when there is none."""
    try:
        return _DECODER.decode(body.decode(json.detect_encoding(body)))
    except (ValueError, RecursionError):
        return None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, empty when there is none."""
    value = json_value(body)
    return value if isinstance(value, dict) else {}

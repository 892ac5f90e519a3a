"""Currencies that the staging exchange knows: their units, chains and fees, and amounts to and from text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from loadtests.staging.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class Currency:
    """One currency: how many decimals it has, its fixed test price and the fee on each of its chains.

    The price is no market price: it turns the limits and opening balances, which are in dollars, into coins.
    """

    currency: str
    decimals: int
    price_cents: int
    fees: dict[str, str]
    """Chain to fee, as a decimal string in the currency itself."""

    @property
    def units_per_coin(self) -> int:
        """Return how many of the smallest units one coin has."""
        return int(10**self.decimals)

    def fee_units(self, chain: str) -> int:
        """Return the fee of a withdrawal on ``chain``, in units."""
        return int(Decimal(self.fees[chain]) * self.units_per_coin)


ASSETS = {
    asset.currency: asset
    for asset in (
        Currency(currency="USDT", decimals=6, price_cents=100, fees={"TRX": "1", "ETH": "2.5"}),
        Currency(currency="USDC", decimals=6, price_cents=100, fees={"ETH": "2.5"}),
        Currency(currency="BTC", decimals=8, price_cents=6_000_000, fees={"BTC": "0.00005"}),
        Currency(currency="ETH", decimals=8, price_cents=300_000, fees={"ETH": "0.001"}),
    )
}

_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.([0-9]{1,18}))?")


def parse_amount(text: object, asset: Currency) -> int:
    """Return the units of an amount written as a plain decimal string, such as ``"12.5"``.

    Raises ApiError (400) for numbers, signs, exponents, NaN, zero, and more decimals than the currency has.
    """
    match = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        raise ApiError(400, "INVALID_PARAM_VALUE", 'amount must be a decimal string such as "12.5"')
    if len(match[1] or "") > asset.decimals:
        raise ApiError(400, "INVALID_PRECISION", f"amount of {asset.currency} has at most {asset.decimals} decimals")
    units = int(Decimal(text) * asset.units_per_coin)
    if units == 0:
        raise ApiError(400, "INVALID_PARAM_VALUE", "amount must be above 0")
    return units


def format_units(units: int, asset: Currency) -> str:
    """Return units as a plain decimal string without trailing zeros; ``parse_amount`` reads it back exactly."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), asset.units_per_coin)
    decimals = f"{part:0{asset.decimals}d}".rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def value_cents(units: int, asset: Currency) -> int:
    """Return the value of units at the fixed test price, in cents, rounded up."""
    return -(-units * asset.price_cents // asset.units_per_coin)


def opening_units(asset: Currency, opening_balance_usd: int) -> int:
    """Return the units that ``opening_balance_usd`` dollars buy at the fixed test price, rounded down."""
    return opening_balance_usd * 100 * asset.units_per_coin // asset.price_cents

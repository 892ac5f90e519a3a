"""Withdrawals: a request checked, debited and recorded in one transaction, and its record read back.

The account, its balance, the daily limit, the unique client id and the ledger entry stand or fall together. Which
requests are reviewed and which payments fail follows from the seed and the client id alone, so two runs of one load
meet the same fates; without a client id it is left to chance.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger
from loadtests.staging.exchange.addresses import is_address
from loadtests.staging.exchange.assets import ASSETS, format_units, opening_units, parse_amount, value_cents
from loadtests.staging.settings import Settings
from loadtests.staging.storage.database import Connection, Row

DAY_MS = 86_400_000
_REQUIRED = ("currency", "amount", "address", "chain")
_FIELDS = (*_REQUIRED, "withdraw_order_id", "memo", "account")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A withdrawal request whose form is right: what the customer asked for."""

    account: int
    client_id: str | None
    currency: str
    chain: str
    address: str
    memo: str
    units: int


def parse_order(body: dict[str, Any], settings: Settings) -> Order:
    """Return the order in a request body; raise ApiError (400, 404) naming what is wrong with it.

    Without an account the key's own pays.
    """
    unknown = sorted(set(body) - set(_FIELDS))
    if unknown:
        raise _invalid(f"unknown field {unknown[0]!r}; known are {', '.join(_FIELDS)}")
    missing = [name for name in _REQUIRED if name not in body]
    if missing:
        raise ApiError(400, "MISSING_REQUIRED_PARAM", f"{missing[0]} must be sent")
    asset = ASSETS.get(_text(body, "currency"))
    if asset is None:
        raise ApiError(400, "INVALID_CURRENCY", f"currency must be one of {', '.join(ASSETS)}")
    chain, address = _text(body, "chain"), _text(body, "address")
    if chain not in asset.fees:
        raise _invalid(f"chain of {asset.currency} must be one of {', '.join(asset.fees)}")
    if not is_address(chain, address):
        raise ApiError(400, "INVALID_ADDRESS", f"address must be a test address of {chain} with a right checksum")
    client_id, memo = _text(body, "withdraw_order_id"), _text(body, "memo")
    if client_id and _CLIENT_ID.fullmatch(client_id) is None:
        raise _invalid("withdraw_order_id must be 1 to 64 letters, digits or any of . _ -")
    if len(memo) > 256:
        raise _invalid("memo must have at most 256 characters")
    account = body.get("account", settings.key_account)
    if type(account) is not int or account < 0:
        raise _invalid("account must be a customer number")
    if account > settings.registered_customers:
        raise ApiError(404, "ACCOUNT_NOT_FOUND", "no such account")
    return Order(
        account=account,
        client_id=client_id or None,
        currency=asset.currency,
        chain=chain,
        address=address,
        memo=memo,
        units=parse_amount(body["amount"], asset),
    )


def create(db: Connection, order: Order, settings: Settings, now_ms: int) -> tuple[dict[str, Any], bool]:
    """Record and debit an order; return its record and whether it is new.

    Runs in one transaction of the write lane. Raises ApiError: 409 for a repeated client id (unless it is the same
    order and repeated ids are replayed), 400 for a limit or a balance that does not reach.
    """
    db.lock(f"account {order.account}")
    earlier = db.execute(  # null, for no client id, equals nothing
        "SELECT * FROM withdrawals WHERE account = ? AND client_id = ?", (order.account, order.client_id)
    ).fetchone()
    if earlier is not None:
        return _repeated(earlier, order, settings), False
    asset = ASSETS[order.currency]
    fee_units, cents = asset.fee_units(order.chain), value_cents(order.units, asset)
    _spend_limits(db, order=order, cents=cents, settings=settings, now_ms=now_ms)
    held = ledger.balance(db, order.account, order.currency)
    if held is None:
        held = opening_units(asset, settings.opening_balance_usd)
        ledger.open_account(db, account=order.account, currency=order.currency, units=held, time_ms=now_ms)
    if held < order.units + fee_units:
        raise ApiError(400, "BALANCE_NOT_ENOUGH", "the balance does not cover amount and fee")
    inserted = _insert(db, order=order, fee_units=fee_units, cents=cents, settings=settings, now_ms=now_ms)
    ledger.transfer(
        db,
        kind="withdrawal",
        from_account=order.account,
        to_account=ledger.PENDING,
        currency=order.currency,
        units=order.units + fee_units,
        time_ms=now_ms,
        withdrawal_id=inserted["id"],
    )
    return record(inserted), True


def _insert(db: Connection, *, order: Order, fee_units: int, cents: int, settings: Settings, now_ms: int) -> Row:
    fate = order.client_id or secrets.token_hex(16)
    row: Row = db.execute(
        "INSERT INTO withdrawals (account, client_id, currency, chain, address, memo, units, fee_units, value_cents,"
        " day, status, review, fails, created_ms, updated_ms, due_ms)"
        " VALUES (:account, :client_id, :currency, :chain, :address, :memo, :units, :fee_units, :value_cents,"
        " :day, 'REQUEST', :review, :fails, :now_ms, :now_ms, :now_ms) RETURNING *",
        {
            **asdict(order),
            "fee_units": fee_units,
            "value_cents": cents,
            "day": now_ms // DAY_MS,
            "review": _chosen("review", fate, settings.seed, settings.review_share),
            "fails": _chosen("failure", fate, settings.seed, settings.fail_share),
            "now_ms": now_ms,
        },
    ).fetchone()
    return row


def find(db: Connection, client_id: str, account: int | None) -> list[dict[str, Any]]:
    """Return the records with a client id, of one account or of all, oldest first."""
    rows = db.execute("SELECT * FROM withdrawals WHERE client_id = ? ORDER BY id", (client_id,))
    return [record(row) for row in rows if account is None or row["account"] == account]


class Wanted(NamedTuple):
    """Which records of an account a customer asks for: made from ``from_ms`` to ``to_ms``, both included."""

    account: int
    currency: str | None
    withdrawal_id: int | None
    from_ms: int
    to_ms: int
    limit: int
    offset: int


def history(db: Connection, wanted: Wanted) -> list[dict[str, Any]]:
    """Return an account's records, newest first."""
    rows = db.execute(
        "SELECT * FROM withdrawals WHERE account = :account AND created_ms BETWEEN :from_ms AND :to_ms"
        " AND currency = coalesce(:currency, currency) AND id = coalesce(:withdrawal_id, id)"
        " ORDER BY id DESC LIMIT :limit OFFSET :offset",
        wanted._asdict(),
    )
    return [record(row) for row in rows]


def page(db: Connection, *, prefix: str, after: int, limit: int) -> list[dict[str, Any]]:
    """Return up to ``limit`` records with ids above ``after`` whose client id starts with ``prefix``."""
    rows = db.execute(
        "SELECT * FROM withdrawals WHERE id > ? AND substr(coalesce(client_id, ''), 1, ?) = ? ORDER BY id LIMIT ?",
        (after, len(prefix), prefix, limit),
    )
    return [record(row) for row in rows]


def record(row: Row) -> dict[str, Any]:
    """Return a withdrawal in the shape of Gate's withdrawal record, with the account and the fee besides.

    ``txid`` and ``block_number`` are there once it is paid: made up, one for each withdrawal.
    """
    asset, paid = ASSETS[row["currency"]], row["status"] == "DONE"
    return {
        "id": f"w{row['id']}",
        "withdraw_order_id": row["client_id"] or "",
        "account": row["account"],
        "timestamp": str(row["created_ms"] // 1000),
        "currency": row["currency"],
        "chain": row["chain"],
        "address": row["address"],
        "memo": row["memo"],
        "amount": format_units(row["units"], asset),
        "fee": format_units(row["fee_units"], asset),
        "status": row["status"],
        "txid": hashlib.sha256(f"withstand payment {row['id']}".encode()).hexdigest() if paid else "",
        "block_number": str(row["id"]) if paid else "0",
    }


def _repeated(earlier: Row, order: Order, settings: Settings) -> dict[str, Any]:
    same = all(earlier[name] == getattr(order, name) for name in ("currency", "chain", "address", "memo", "units"))
    if same and settings.repeated_client_id == "replay":
        return record(earlier)
    raise ApiError(409, "DUPLICATE_REQUEST", "this account already used this withdraw_order_id")


def _spend_limits(db: Connection, *, order: Order, cents: int, settings: Settings, now_ms: int) -> None:
    """Count an order against the limits of its account; raise ApiError (400) when it is over one."""
    if cents > settings.withdrawal_limit_usd * 100:
        raise ApiError(400, "WITHDRAWAL_OVER_LIMIT", "the amount is over the limit of one withdrawal")
    spent = db.execute(
        "INSERT INTO daily_withdrawn VALUES (?, ?, ?) ON CONFLICT (account, day) DO UPDATE"
        " SET cents = daily_withdrawn.cents + excluded.cents"
        " RETURNING cents",
        (order.account, now_ms // DAY_MS, cents),
    ).fetchone()[0]
    if spent > settings.daily_limit_usd * 100:
        raise ApiError(400, "WITHDRAWAL_OVER_LIMIT", "the amount is over what is left of the account's daily limit")


def _chosen(purpose: str, name: str, seed: int, share: float) -> int:
    """Return 1 for a share of all names, the same ones for the same seed and purpose."""
    digest = hashlib.blake2b(f"{seed} {purpose} {name}".encode(), digest_size=8).digest()
    return int(int.from_bytes(digest, "big") < share * 2**64)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise _invalid(f"{name} must be a string")
    return value


def _invalid(message: str) -> ApiError:
    return ApiError(400, "INVALID_PARAM_VALUE", message)

"""After a run: cancel its withdrawals that are still open, and close its tickets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    Arrival,
    Cancelling,
    Closing,
    Dialect,
    Send,
    Ticket,
    Withdrawal,
)
from loadtests.reconciliation.checks import read_holdings
from loadtests.transport.reader import why_unread

_EXAMPLES = 5
_COLUMNS = ("idx", "endpoint", "kind", "customer", "amount", "payload_seed")

Record = Withdrawal | Ticket


def clean_up(
    dialect: Dialect,
    send: Send,
    pause: Callable[[float], None],
    *,
    prefix: str,
    requests: pl.DataFrame,
    arrivals: pl.DataFrame,
) -> dict[str, Any]:
    """Return what became of each withdrawal and ticket that the run made: counts, and examples of the reasons.

    Where the server reports what it holds, all of it is cleaned up, acknowledged or not; elsewhere what was
    acknowledged. ``done``: was cancelled or closed now. ``over``: had ended before. ``kept``: the server refused, or
    could not be asked. ``requests`` is the run's table of the schema REQUESTS, ``arrivals`` its part of the trace.
    """
    faults = []
    rows = requests.filter(pl.col("outcome") == ACKNOWLEDGED)
    keys = dict(rows.filter(pl.col("endpoint") == "withdrawal").select("server_id", "key").iter_rows())
    try:
        held = read_holdings(dialect, send, prefix, pause, keys)
    except Exception as error:  # a dialect may be a user's file
        faults, held = [f"what the server holds could not be read: {why_unread(error)}"], None
    if held is not None:
        withdrawals, tickets = held.withdrawals, held.tickets
    else:
        withdrawals, tickets = _acknowledged(dialect, prefix, rows, arrivals)
    cancel: Callable[..., str] | None = dialect.cancel if isinstance(dialect, Cancelling) else None
    close: Callable[..., str] | None = dialect.close if isinstance(dialect, Closing) else None
    return {
        "withdrawals": _end(withdrawals, [one.final or one.failed for one in withdrawals], cancel, send),
        "tickets": _end(tickets, [one.closed or not one.is_open for one in tickets], close, send),
        "faults": faults,
    }


def _acknowledged(
    dialect: Dialect, prefix: str, rows: pl.DataFrame, arrivals: pl.DataFrame
) -> tuple[list[Withdrawal], list[Ticket]]:
    ids = dict(rows.select("idx", "server_id").iter_rows())
    mine = arrivals.filter(pl.col("idx").is_in(list(ids)))
    money = mine.filter(pl.col("endpoint") == "withdrawal")
    asked = [Arrival(*row) for row in money.select(_COLUMNS).iter_rows()]
    desk = rows.filter(pl.col("endpoint") == "ticket").select("key", "server_id").iter_rows()
    return (
        [dialect.withdrawal(arrival, prefix)._replace(server_id=ids[arrival.idx]) for arrival in asked],
        [Ticket(key, server_id) for key, server_id in desk],
    )


def _end(records: Sequence[Record], over: Sequence[bool], end: Callable[..., str] | None, send: Send) -> dict[str, Any]:
    done, reasons = 0, []
    for record, is_over in zip(records, over, strict=True):
        if is_over:
            continue
        told = "the dialect has no way to do it" if end is None else _attempt(end, send, record)
        if told:
            reasons.append(told)
        else:
            done += 1
    n_over = sum(over)
    return {
        "total": len(records),
        "done": done,
        "over": n_over,
        "kept": len(records) - done - n_over,
        "faults": list(dict.fromkeys(reasons))[:_EXAMPLES],
    }


def _attempt(end: Callable[..., str], send: Send, record: Record) -> str:
    try:
        return end(send, record)
    except Exception as error:  # a dialect may be a user's file
        return why_unread(error)

"""What the reads of a run saw, one after the other: statuses that went back, final ones that changed, balances below 0.

Only changes are written, as JSON lines and at once, so that a crashed run can still be judged by what was seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from loadtests.dialect.contract import Ticket, Withdrawal

_NO_AMOUNT = Decimal(0)
_TICKET_STATE = 5
"""The fields of a ticket that come before its contents."""


class Observations:
    """The last known state of each record that was read, and what was wrong on the way; kept in ``path``, if given."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lines: list[dict[str, Any]] = []
        self._withdrawals: dict[tuple[str, str], Withdrawal] = {}
        self._tickets: dict[str, Ticket] = {}
        self._read_again: set[tuple[str, str]] = set()
        self._closed_read_again: set[str] = set()
        self.n_reads = 0
        self.n_failed_reads = 0
        self.n_balances = 0
        self.back: list[str] = []
        self.paid_again: list[str] = []
        self.reopened: list[str] = []
        self.overdrawn: list[str] = []

    @property
    def n_withdrawals(self) -> int:
        """Return how many withdrawals were read more than once."""
        return len(self._read_again)

    @property
    def n_closed(self) -> int:
        """Return how many tickets were seen closed, and read again later."""
        return len(self._closed_read_again)

    def see(
        self,
        withdrawals: Sequence[Withdrawal],
        tickets: Sequence[Ticket],
        n_balances: int = 0,
        overdrawn: Sequence[str] = (),
    ) -> None:
        """Compare what was read now with what was read before, and count the balances that were read with it."""
        for one in withdrawals:
            name = one.key, one.server_id
            before = self._withdrawals.get(name)
            if before is not None:
                self._read_again.add(name)
                self._compare(before, one)
            if before is None or _state(before) != _state(one):
                self._lines.append({"withdrawal": [one.key, one.server_id, *_state(one)]})
            self._withdrawals[name] = one
        for ticket in tickets:
            known = self._tickets.get(ticket.server_id)
            if known is not None and known.closed:
                self._closed_read_again.add(ticket.server_id)
                if not ticket.closed:
                    self.reopened.append(f"{ticket.key}: {known.status}, then {ticket.status}")
            if known is None or known[:_TICKET_STATE] != ticket[:_TICKET_STATE]:
                self._lines.append({"ticket": list(ticket[:_TICKET_STATE])})
            self._tickets[ticket.server_id] = ticket

        self.n_balances += n_balances
        new = [one for one in dict.fromkeys(overdrawn) if one not in self.overdrawn]
        self.overdrawn += new
        if new:
            self._lines.append({"overdrawn": new})
        self._lines.append({"counts": [self.n_reads, self.n_failed_reads, self.n_balances]})
        self.keep()

    def told(self) -> dict[str, int]:
        """Return how much was read, apart from the load."""
        return {
            "reads": self.n_reads,
            "failed_reads": self.n_failed_reads,
            "withdrawals_read_again": self.n_withdrawals,
            "closed_tickets_read_again": self.n_closed,
            "balances": self.n_balances,
        }

    def _compare(self, before: Withdrawal, now: Withdrawal) -> None:
        if before.final and (now.status, now.failed) != (before.status, before.failed):
            self.back.append(f"{now.key}: {before.status} is final, then {now.status}")
        elif 0 <= now.stage < before.stage:
            self.back.append(f"{now.key}: {before.status}, then {now.status}")
        if before.final and before.chain_id and now.chain_id not in (before.chain_id, None, ""):
            self.paid_again.append(f"{now.key}: transaction {before.chain_id}, then {now.chain_id}")

    def keep(self) -> None:
        """Append the new lines to the file; those for which the disk has no room wait until it has."""
        if self._path is not None and self._lines:
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in self._lines)
            if not _appended(self._path, text.encode()):
                return
        self._lines.clear()


def _appended(path: Path, data: bytes) -> bool:
    """Append all of the data to a file, or nothing; return whether there was room."""
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(data) == len(data):
                return True
        except OSError:  # such as a full disk
            pass
        file.truncate(end)
    return False


def replay(lines: Iterable[dict[str, Any]], path: Path | None = None) -> Observations:
    """Return the sightings that were written as these lines, what they say compared anew; they go on in ``path``.

    Raises ValueError, KeyError or TypeError for lines of another form.
    """
    seen = Observations()
    for line in lines:
        if "withdrawal" in line:
            key, server_id, status, stage, final, failed, chain_id = line["withdrawal"]
            known = Withdrawal(key, "", "", _NO_AMOUNT, _NO_AMOUNT, server_id, failed, status, stage, final, chain_id)
            seen.see([known], [])
        elif "ticket" in line:
            seen.see([], [Ticket(*line["ticket"])])
        elif "overdrawn" in line:
            seen.see([], [], 0, line["overdrawn"])
        else:
            seen.n_reads, seen.n_failed_reads, seen.n_balances = line["counts"]
    seen._path = path
    return seen


def _state(one: Withdrawal) -> tuple[str, int, bool, bool, str | None]:
    return one.status, one.stage, one.final, one.failed, one.chain_id

"""A light reader beside the load: a hundred records at a time, on a connection of its own, counted apart from the load.

It patrols: each read goes on where the last one ended, and begins anew at the end. What fails is counted, and never
ends the run.
"""

from __future__ import annotations

from collections.abc import Mapping

import gevent

from loadtests.dialect.contract import Answer, Glancing, Request
from loadtests.dialect.exact import exact
from loadtests.reconciliation.observations import Observations
from loadtests.transport.client import Client
from loadtests.transport.echoes import without_proofs

EVERY_S = 1.0
TIMEOUT_S = 5.0


class Watcher:
    """Reads a server at intervals, in a greenlet, from ``start`` to ``stop``."""

    def __init__(self, *, dialect: Glancing, client: Client, prefix: str, seen: Observations) -> None:
        self._dialect, self._client, self._prefix, self._seen = dialect, client, prefix, seen
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to read."""
        self._greenlet = gevent.spawn(self._patrol)

    def stop(self) -> None:
        """Read no more."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _patrol(self) -> None:
        more: Mapping[str, str] = {}
        while True:
            gevent.sleep(EVERY_S)
            try:
                glance = self._dialect.glance(self._send, self._prefix, more)
                withdrawals, tickets = (
                    [exact(one) for one in glance.withdrawals],
                    [exact(one) for one in glance.tickets],
                )
            except Exception:  # a dialect may be a user's file
                self._seen.n_failed_reads += 1
                continue
            more = glance.more
            self._seen.n_reads += 1
            self._seen.see(withdrawals, tickets, glance.n_balances, glance.overdrawn)

    def _send(self, request: Request) -> Answer:
        return without_proofs(self._client.send(request, TIMEOUT_S), request)

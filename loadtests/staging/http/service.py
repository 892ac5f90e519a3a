"""What the endpoints share: settings, secrets, the lanes to the database, the capacities and the paying worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request

from loadtests.staging.exchange.payments import PaymentWorker
from loadtests.staging.http.capacity import RateLimit, Station
from loadtests.staging.settings import Secrets, Settings
from loadtests.staging.storage import sqlite
from loadtests.staging.storage.database import Lanes


class Service:
    """The state of one staging exchange on one database."""

    def __init__(self, *, settings: Settings, secrets: Secrets, database: Path | str) -> None:
        """Create the tables in ``database`` if needed and prepare the lanes; nothing runs before ``running``."""
        self.settings = settings
        self.secrets = secrets
        self.writes, self.reads, self.admin_reads = _open_lanes(settings, database)
        self.withdrawal_station = self._station(settings.withdrawal_capacity_per_s)
        self.ticket_station = self._station(settings.ticket_capacity_per_s)
        self.read_station = self._station(settings.read_capacity_per_s)
        self.withdrawal_rate_limit = RateLimit(settings.withdrawal_rate_limit_per_min)
        self.ticket_rate_limit = RateLimit(settings.ticket_rate_limit_per_min)
        self._payments: asyncio.Task[None] | None = None

    def _station(self, capacity_per_s: float | None) -> Station:
        settings = self.settings
        return Station(capacity_per_s=capacity_per_s, slots=settings.service_slots, queue_limit=settings.queue_limit)

    def is_paying(self) -> bool:
        """Return whether the paying worker is at work."""
        return self._payments is not None and not self._payments.done()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the lanes and the paying worker; at the end finish what waits."""
        lanes = (
            self.reads,
            self.admin_reads,
            self.writes,
        )  # the write lane ends last: SQLite's folds the WAL
        for lane in lanes:
            lane.start()
        self._payments = asyncio.create_task(PaymentWorker(lane=self.writes, settings=self.settings).run())
        self._payments.add_done_callback(_log_failure)
        try:
            yield
        finally:
            self._payments.cancel()
            await asyncio.gather(self._payments, return_exceptions=True)
            for lane in lanes:
                lane.stop()


def _open_lanes(settings: Settings, database: Path | str) -> Lanes:
    """Return the lanes to a SQLite file or a PostgreSQL database; raise ValueError when it cannot be used."""
    if isinstance(database, Path):
        return sqlite.open_lanes(settings, database)
    try:
        from loadtests.staging.storage import postgres  # its driver is an extra
    except ImportError:
        raise ValueError("PostgreSQL needs the extra: pip install 'withstand[postgres]'") from None
    return postgres.open_lanes(settings, database)


def service_of(request: Request) -> Service:
    """Return the service that the request's application runs on."""
    service: Service = request.app.state.service
    return service


def _log_failure(payments: asyncio.Task[None]) -> None:
    """Log why the paying worker ended, unless it was asked to; the health check shows it from then on."""
    if not payments.cancelled() and (error := payments.exception()) is not None:
        logging.getLogger(__name__).error("the paying worker failed", exc_info=error)

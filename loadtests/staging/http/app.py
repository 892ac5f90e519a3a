"""The staging exchange as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from loadtests.staging.errors import ApiError
from loadtests.staging.http.admin_api import ADMIN_ROUTES
from loadtests.staging.http.gate_api import GATE_ROUTES
from loadtests.staging.http.login_api import LOGIN_ROUTES
from loadtests.staging.http.service import Service
from loadtests.staging.http.tickets_api import TICKET_ROUTES
from loadtests.staging.http.web import show_api_error, show_fault, show_http_error
from loadtests.staging.settings import Secrets, Settings


def make_app(*, settings: Settings, secrets: Secrets, database: Path | str) -> Starlette:
    """Return the application on a SQLite file or a PostgreSQL URL, whose tables are created if needed.

    Raises ValueError when the database cannot be used.
    """
    service = Service(settings=settings, secrets=secrets, database=database)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = Starlette(
        routes=[*GATE_ROUTES, *LOGIN_ROUTES, *TICKET_ROUTES, *ADMIN_ROUTES],
        exception_handlers={ApiError: show_api_error, HTTPException: show_http_error, Exception: show_fault},
        lifespan=lifespan,
    )
    app.state.service = service
    return app

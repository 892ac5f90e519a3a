"""Clients that others wrote, turned to a server of one's own: ccxt's for Gate, Zenpy for Zendesk."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest
import zenpy

from tests.support.servers.staging_client import SECRETS

AGENT = "agent@example.invalid"


def gate_client(url: str) -> Any:
    """Return ccxt's Gate client with the test key, for the API at ``url`` and without its own pacing."""
    gate = ccxt.gate({"apiKey": SECRETS.api_key, "secret": SECRETS.api_secret, "enableRateLimit": False})
    for sections in (gate.urls["api"]["public"], gate.urls["api"]["private"]):
        sections.update(dict.fromkeys(sections, f"{url.rstrip('/')}/api/v4"))
    return gate


def zendesk_client(url: str, patch: pytest.MonkeyPatch, **credentials: str) -> Any:
    """Return Zenpy for the API at ``url``, without its cache: by default as an agent with the test token."""
    patch.setenv("ZENPY_FORCE_SCHEME", "http")
    patch.setenv("ZENPY_FORCE_NETLOC", urlsplit(url).netloc)
    known = credentials or {"email": AGENT, "token": SECRETS.ticket_token}
    return zenpy.Zenpy(subdomain="withstand", disable_cache=True, **known)

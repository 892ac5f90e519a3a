"""Clients that others wrote, turned to a server of one's own: ccxt's for Gate, Zenpy for Zendesk."""

from __future__ import annotations

from typing import Any

import ccxt

from tests.support.servers.staging_client import SECRETS


def gate_client(url: str) -> Any:
    """Return ccxt's Gate client with the test key, for the API at ``url`` and without its own pacing."""
    gate = ccxt.gate({"apiKey": SECRETS.api_key, "secret": SECRETS.api_secret, "enableRateLimit": False})
    for sections in (gate.urls["api"]["public"], gate.urls["api"]["private"]):
        sections.update(dict.fromkeys(sections, f"{url.rstrip('/')}/api/v4"))
    return gate

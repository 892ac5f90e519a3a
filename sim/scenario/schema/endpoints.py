"""The endpoints, which lie beyond the scenario; a test holds the list to its owner."""

from __future__ import annotations

from typing import Literal

Endpoint = Literal[
    "withdrawal", "withdrawal_status", "ticket", "ticket_view", "login", "signup", "kyc", "deposit", "mfa",
]  # fmt: skip

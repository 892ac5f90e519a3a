"""Defaults for a dialect whose API is like most."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from loadtests.dialect import answers
from loadtests.dialect.contract import Answer, Arrival, Send, Withdrawal
from loadtests.dialect.payload import asked_of
from sim.core.tables import ENDPOINTS


class Api:
    """An API whose health check is at ``/health``, with the usual withdrawals and without readable balances."""

    health_path = "/health"
    endpoints: tuple[str, ...] = ENDPOINTS

    def __init__(self, values: Mapping[str, str]) -> None:
        """Keep the values of the variables that the dialect names; a dialect may override this."""
        self.values = values

    def is_test_system(self, answer: Answer) -> bool:
        """Return whether the health check is 200 and carries ``"test_system": true``."""
        return answers.says_test_system(answer)

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for: a key, a coin, an address of a test network, an amount.

        Raises ValueError where the API has no withdrawals.
        """
        if "withdrawal" not in self.endpoints:
            raise ValueError("withdrawal is not an endpoint of this API")
        return asked_of(arrival, prefix)

    def balances(self, send: Send) -> dict[str, Decimal] | None:
        """Return None: the API does not report the sum, so it is not checked."""
        return None

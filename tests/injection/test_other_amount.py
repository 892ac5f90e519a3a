"""The case of another amount under the same key (I3): when it is one, and when it cannot be judged."""

from __future__ import annotations

import pytest

from loadtests import dialects
from loadtests.dialect.contract import Answer, Arrival, Known, Request
from loadtests.injection.cases import Injector
from loadtests.transport.interruptible import Ending
from tests.support.servers.staging_client import ENVIRON
from tests.tools.dialect_contract import spoken


def test_another_amount_of_a_key_that_was_refused_is_a_first_one() -> None:
    """A server that refuses each key once and takes it the second time is not accused of taking another amount."""
    sent: list[str] = []

    class Client:
        def encoded(self, request: Request) -> bytes:
            return request.body

        def send(self, request: Request, timeout_s: float) -> Answer:
            sent.append(request.key)
            return Answer(400 if sent.count(request.key) == 1 else 202, {}, b'{"id": "w1"}')

    class Journal:
        def sent(self, *_: object) -> bool:
            return True

        def done(self, *_: object) -> bool:
            return True

    injector = Injector(
        dialect=dialects.load("reference", ENVIRON), client=Client(), journal=Journal(), prefix="ws-1-", timeout_s=1,
        ending=Ending(), announce=lambda arrivals: None,
    )  # type: ignore[arg-type]  # fmt: skip
    case = injector._other_amount("I3 withdrawal", Arrival(2, "withdrawal", "USDT", 7, 12_345, 7))
    assert sent == ["ws-1-2"]
    assert case["examples"] == ["ws-1-2: was never acknowledged: rejected 400"]


@pytest.mark.parametrize("name", ["reference", "gate", "mexc", "binance", "kraken"])
def test_every_exchange_can_say_another_amount(name: str) -> None:
    injector = Injector.__new__(Injector)
    injector._dialect, injector._known = spoken(name), Known("ws-1-")
    arrival = Arrival(2, "withdrawal", "USDT", 7, 12_345, 7)
    assert injector._says_another(arrival, arrival._replace(amount_cents=24_690))
    assert not injector._says_another(arrival, arrival)

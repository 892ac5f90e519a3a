"""What must not be held against a right server when its history is read: shifting pages, pending states, late reads."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.dialect.contract import Answer, ReadError, Request
from tests.dialects.test_readback import EXCHANGES, MINE, OTHERS, STATUSES, Api, row
from tests.tools.dialect_contract import PREFIX, spoken


@pytest.mark.parametrize("word", ["FAIL", "CANCELPEND", "FVERIFY", "EXTPEND"])
def test_gates_states_that_wait_are_not_final(word: str) -> None:
    (one,) = spoken("gate").holdings(Api("gate", [row("gate", MINE, 1, word)]), PREFIX).withdrawals
    assert (one.final, one.stage, one.failed) == (False, 0, False)


@pytest.mark.parametrize(
    ("detail", "ends"), [("canceled", (True, True)), ("cancel-pending", (False, False)), ("onhold", (False, False))]
)
def test_krakens_detail_of_a_status_counts(detail: str, ends: tuple[bool, bool]) -> None:
    rows = [{**row("kraken", MINE, 1, "Success"), "status-prop": detail}]
    (one,) = spoken("kraken").holdings(Api("kraken", rows), PREFIX).withdrawals
    assert (one.final, one.failed) == ends


class Shifting(Api):
    """A history by offset, newest first, into which a row of somebody else comes between two pages."""

    def __init__(self, name: str, rows: list[dict[str, Any]], stranger: dict[str, Any], *, times: int) -> None:
        super().__init__(name, rows)
        self.stranger, self.times, self.n_pages = stranger, times, 0

    def __call__(self, request: Request) -> Answer:
        if "offset" in request.path:
            self.n_pages += 1
            if "offset=0&" not in f"{request.path}&" and self.times:
                self.rows = [{**self.stranger, "id": f"stranger {self.times}"}, *self.rows]
                self.times -= 1
        return super().__call__(request)


@pytest.mark.parametrize(("name", "n_rows"), [("gate", 150), ("binance", 1500)])
@pytest.mark.parametrize("times", [1, 2, 99])
def test_a_page_that_shifts_shows_no_record_twice(name: str, n_rows: int, times: int) -> None:
    paid, _, failed, _ = STATUSES[name]
    rows = [row(name, f"{PREFIX}{i}", i, paid) for i in reversed(range(n_rows))]
    api = Shifting(name, rows, row(name, OTHERS, 0, failed), times=times)
    held = spoken(name).holdings(api, PREFIX)
    keys = [one.key for one in held.withdrawals]
    assert sorted(keys) == sorted(f"{PREFIX}{i}" for i in range(n_rows))
    assert api.n_pages == (2 * (times + 1) if times < 3 else 6), "read again while pages shift, three times at most"


def test_one_key_under_two_ids_and_one_id_under_two_keys_stay_two_records() -> None:
    rows = [row("gate", MINE, 1, "DONE"), row("gate", MINE, 2, "DONE"), row("gate", f"{PREFIX}4", 2, "DONE")]
    held = spoken("gate").holdings(Api("gate", rows), PREFIX)
    assert [(one.key, one.server_id) for one in held.withdrawals] == [(MINE, "w1"), (MINE, "w2"), (f"{PREFIX}4", "w2")]


@pytest.mark.parametrize("name", [*EXCHANGES, "zendesk"])
def test_the_history_begins_where_it_is_told_to(name: str) -> None:
    dialect, paths = spoken(name), list[str]()
    dialect.since_ms = 1_699_990_000_123

    def send(request: Request) -> Answer:
        paths.append(request.path + request.body.decode())
        return Answer(503, {}, b"")

    with pytest.raises(ReadError):
        dialect.holdings(send, PREFIX)
    if name != "zendesk":  # which reads newest first, until it gets there
        assert "1699990000" in paths[0]

"""What the demo says and how it ends, from verdicts made by hand; ``make run`` itself is the proof by load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sim.cli import demo
from sim.cli.demo import DemoReplay, _exit_code, _measured, _steps
from sim.core.proven import BROKEN, HELD, UNPROVEN, Proof, conclusion
from sim.core.replay_window import ReplayLoad


def proved(sent_per_s: float, state: str, peak: float = 8.0) -> dict[str, Any]:
    return {
        "sent_per_s": sent_per_s,
        "predicted_p95_per_s": peak,
        "state": state,
        "why": "" if state == HELD else "few",
    }


def replayed(name: str, code: int = 0, *, records: bool | None = True, valid: bool = True, **proofs: Any) -> DemoReplay:
    books = {"done": records is not None, "passed": records is not False}
    headroom = {"endpoints": proofs, "not_sent": {"deposit": 0.1}}
    return DemoReplay(
        ReplayLoad(name, 60.0, 1.0), code, {"valid": valid, "headroom": headroom, "reconciliation": books}
    )


AS_PREDICTED = replayed("x1", 3, withdrawal=proved(4.8, UNPROVEN), login=proved(150.0, HELD, 145.0))
PROVEN = replayed("withdrawal-x2", withdrawal=proved(9.7, HELD))
ABOVE = replayed("withdrawal-x3", 1, withdrawal=proved(15.5, BROKEN))


def test_it_ends_well_where_each_peak_was_held_whatever_broke_above_it() -> None:
    assert _exit_code([AS_PREDICTED, PROVEN]) == 0
    assert _exit_code([AS_PREDICTED, PROVEN, ABOVE]) == 0


@pytest.mark.parametrize(
    ("replays", "code"),
    [
        ([AS_PREDICTED], 3),
        ([AS_PREDICTED, ABOVE], 3),  # it broke, but above its peak: whether it holds that is not known
        ([AS_PREDICTED, PROVEN, replayed("x2", 1, login=proved(140.0, BROKEN, 145.0))], 1),
        ([replayed("x1", 1, withdrawal=proved(4.8, UNPROVEN)), PROVEN], 1),
        ([AS_PREDICTED, PROVEN, replayed("x2", 1, records=False, withdrawal=proved(9.0, HELD))], 1),
        ([AS_PREDICTED, DemoReplay(ReplayLoad("x2", 96.0, 2.0), 2, None), PROVEN], 2),
        ([DemoReplay(ReplayLoad("x1", 60.0, 1.0), 4, None)], 4),
    ],
)
def test_it_ends_otherwise_where_one_is_not(replays: list[DemoReplay], code: int) -> None:
    assert _exit_code(replays) == code


def test_what_was_measured_is_told_by_rates_and_records() -> None:
    assert _measured([AS_PREDICTED, PROVEN, ABOVE]) == (
        "held logins 150/s, withdrawals 9.7/s (broken at 15.5/s); records right in 3 of 3 load tests"
    )
    late = replayed("x2", 3, valid=False, records=None)
    bad = replayed("x3", 1, records=False)
    assert _measured([AS_PREDICTED, late, bad]) == (
        "held withdrawals none proven, logins 150/s; not valid: x2; records wrong in x3"
    )
    assert _measured([DemoReplay(ReplayLoad("x1", 60.0, 1.0), 3, None)]) == (
        "held nothing; not valid: x1; records right in 0 of 1 load tests"
    )


def test_enough_is_said_of_what_was_sent_alone() -> None:
    headrooms = [one.verdict["headroom"] for one in (AS_PREDICTED, PROVEN) if one.verdict]
    assert conclusion(headrooms) == (
        "enough for what was sent, with 3% to spare at the tightest: logins proven to 150/s, peak 145/s: 1.03 times "
        "the peak; not sent, so not proven: first deposits"
    )
    everything = [{**one, "not_sent": {}} for one in headrooms]
    assert conclusion(everything).startswith("enough, with 3% to spare at the tightest: logins")


def test_steps_go_up_from_what_is_proven_until_it_breaks() -> None:
    due_us = pl.Series(range(0, 1_800_000_000, 200_000), dtype=pl.Int64)
    arrivals = pl.DataFrame({"due_us": due_us, "endpoint": ["withdrawal"] * len(due_us)})
    found = _steps(arrivals, [Proof("withdrawal", 13.0, None, 8.0), Proof("login", 400.0, None, 145.0)])
    assert [one.of_peak for one in found] == [2.0, 3.0, 4.0, 6.0]  # 1.6 times the peak is proven
    assert {one.endpoint for one in found} == {"withdrawal"}
    assert _steps(arrivals, [Proof("withdrawal", 9.0, 12.0, 8.0)]) == []
    assert _steps(arrivals, [Proof("withdrawal", 7.0, None, 8.0)]) == []
    assert _steps(arrivals, []) == []
    # So rare that each step would be the same one: it is sent once.
    rare = pl.DataFrame({"due_us": due_us * 20, "endpoint": ["ticket"] * len(due_us)})
    assert [one.of_peak for one in _steps(rare, [Proof("ticket", 1.0, None, 1.0)])] == [9.375]


def test_a_load_that_the_generator_fell_short_of_is_replayed_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pl.DataFrame({"due_us": [0], "endpoint": ["login"]}).write_parquet(tmp_path / "arrivals.parquet")
    sent: list[str] = []

    def replay(folder: Path, url: str, environment: object, load: ReplayLoad, *, quiet: bool) -> DemoReplay:
        sent.append(load.name)
        late = load.name in ("x1", "x2", "x2-again")
        return replayed(load.name, 3 if late else 0, valid=not late, login=proved(150.0, UNPROVEN if late else HELD))

    monkeypatch.setattr(demo, "_replay", replay)
    found = demo._replays(tmp_path, "http://127.0.0.1:1", {}, quiet=True)
    assert sent == ["x1", "x1-again", "x2", "x2-again"]
    assert _exit_code(found) == 0

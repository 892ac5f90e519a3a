"""The part of a trace that proves an endpoint's own predicted peak."""

from __future__ import annotations

import polars as pl
import pytest

from sim.core.proven import Proof
from sim.core.replay_window import ReplayLoad, own_load


def trace(**per_s: float) -> pl.DataFrame:
    """Return half an hour of evenly spaced arrivals."""
    rows = [(round(i * 1e6 / rate), name) for name, rate in per_s.items() for i in range(round(rate * 1800))]
    return pl.DataFrame(sorted(rows), schema={"due_us": pl.Int64, "endpoint": pl.String}, orient="row")


def peak(endpoint: str, per_s: float) -> Proof:
    return Proof(endpoint, None, None, per_s)


def sent(load: ReplayLoad | None, arrivals: pl.DataFrame) -> tuple[int, float]:
    """Return how many of the endpoint's requests a load sends, and in how many seconds."""
    assert load is not None
    due_us = arrivals.filter(pl.col("endpoint") == load.endpoint)["due_us"]
    return due_us.filter(due_us < load.window_s * 1e6).len(), load.window_s / load.speedup


@pytest.mark.parametrize(("per_s", "peak_per_s"), [(5.0, 7.76), (12.0, 7.76), (90.0, 145.0), (750.0, 752.0)])
def test_an_endpoint_is_sent_a_quarter_above_its_predicted_peak_and_no_faster(per_s: float, peak_per_s: float) -> None:
    arrivals = trace(withdrawal=per_s)
    load = own_load(arrivals, peak("withdrawal", peak_per_s))
    n, lasts_s = sent(load, arrivals)
    assert n / lasts_s == pytest.approx(1.25 * peak_per_s, rel=0.01)
    assert n >= 450
    assert lasts_s >= 32
    assert load is not None
    assert load.of_peak == 1.25


def test_a_rare_endpoint_is_sent_as_much_faster_as_it_takes_for_enough_of_its_requests() -> None:
    arrivals = trace(ticket=0.4)
    load = own_load(arrivals, peak("ticket", 1.17))
    assert sent(load, arrivals) == (450, pytest.approx(48.0))
    assert load is not None
    assert load.of_peak == pytest.approx(450 / 48 / 1.17)
    assert load == own_load(arrivals, peak("ticket", 1.17), 1.5)  # which is above one and a half times its peak, too


def test_what_has_too_few_requests_is_not_proven() -> None:
    assert own_load(trace(ticket=0.15), peak("ticket", 0.2)) is None
    assert own_load(trace(login=1.0), peak("ticket", 0.2)) is None
    assert own_load(trace(withdrawal=0.3), peak("withdrawal", 20.0)) is None  # 540 of them last 21.6 s at 25/s
    assert own_load(trace(ticket=1.0), Proof("ticket", None, None, None)) is None


def test_a_load_says_what_it_is_and_asks_for_just_that() -> None:
    load = own_load(trace(ticket_view=2.0, ticket=1.0), peak("ticket_view", 3.0))
    assert load is not None
    assert load.options()[-2:] == ["--endpoints", "ticket,ticket_view"]
    assert load.words().endswith("of the ticket views alone, 4.68 x as fast as predicted: 3.12 x their predicted peak")
    mix = ReplayLoad("x2", 96.0, 2.0)
    assert mix.options() == ["--window", "96000 ms", "--speedup", "2"]
    assert mix.words() == "replaying the busiest 96 s of the trace, 2 x as fast as predicted"

"""Conservation of tickets, withdrawals and money: in random worlds and every scenario; a breach is noticed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from sim.cli import main
from sim.engine import compiled
from sim.engine.conservation import ConservationError, accounts, check_conservation
from sim.engine.outcome import DeskOutcome
from sim.experiment import replication as one_replication
from sim.experiment.replication import observe
from sim.feedback import INT_NAMES, RAIL_NAMES
from sim.feedback.columns import CLASS_NAMES
from sim.model.model import build
from sim.scenario import load
from sim.scenario.loading.catalogue import names
from tests.support.worlds import Small, random_world
from tests.tools.planting import Change, interpreted
from tests.tools.swarm import Simulate, run

WORLDS = 2_000


def places_used(world: Small, outcome: DeskOutcome) -> set[str]:
    """Return the places of all accounts that hold something at some minute; all accounts must balance."""
    inputs, rules = world.demand.inputs, world.parameters
    check_conservation(outcome, inputs, rules, every_minute=True)
    check_conservation(outcome, inputs, rules)
    found = accounts(outcome, inputs, rules, every_minute=True)
    return {f"{one.name}: {place}" for one in found for place, n in one.places.items() if n.any()}


def test_nothing_is_lost_in_random_worlds_at_any_minute() -> None:
    used: set[str] = set()
    for seed in range(WORLDS):
        world = random_world(Random(seed))
        used |= places_used(world, run(compiled.simulate, world))
    assert len(used) == 4 + 10 + 9 + 6 + 4 + 2 * 3 + 2 + 9 + 4 + 6  # every place of every account, those of rows last


@pytest.mark.parametrize("name", names())
def test_nothing_is_lost_in_a_scenario(name: str) -> None:
    world = build(load(name, sets=["days=4", "warmup_days=1"]))
    observed = observe(world, seed=2, replication=0)
    check_conservation(observed.outcome, observed.demand.inputs, world.parameters, every_minute=True)
    moved = {RAIL_NAMES[column] for column in np.flatnonzero(observed.outcome.feedback_rails.any(axis=(0, 2)))}
    assert world.parameters is None or {"cum_paid_cents", "cum_reviewed_cents"} <= moved


@cache
def busy() -> tuple[Small, DeskOutcome]:
    """Return the random world in which the most places hold something, and its outcome."""
    worlds = [random_world(Random(seed)) for seed in range(400)]
    done = [(world, run(compiled.simulate, world)) for world in worlds]
    return max(done, key=lambda one: len(places_used(*one)))


NOT_STOCKS = {"new_complaints", "new_copies", "n_spreaders", "n_late", "n_open", "new_short", "new_stuck"} | {
    "new_copies_unanswerable", "cum_deferred", "cum_breaches", "cum_breach_cost_cents",
    "cum_wrong_address", "cum_wrong_network", "cum_wrong_address_cents", "cum_wrong_network_cents",
}  # fmt: skip
"""Columns that are no places of a withdrawal: part of what is in others."""


@pytest.mark.parametrize("column", [name for name in INT_NAMES if name not in NOT_STOCKS])
def test_a_withdrawal_that_is_counted_wrongly_is_noticed(column: str) -> None:
    world, outcome = busy()
    ints = outcome.feedback_ints.copy()
    ints[INT_NAMES.index(column), -1] += 1
    with pytest.raises(ConservationError, match="withdraw"):
        check_conservation(replace(outcome, feedback_ints=ints), world.demand.inputs, world.parameters)


@pytest.mark.parametrize("column", [name for name in RAIL_NAMES if name not in ("cum_paid", "cum_final")])
def test_a_cent_that_is_counted_wrongly_is_noticed(column: str) -> None:
    world, outcome = busy()
    rails = outcome.feedback_rails.copy()
    rails[0, RAIL_NAMES.index(column), -1] += 1
    with pytest.raises(ConservationError):
        check_conservation(replace(outcome, feedback_rails=rails), world.demand.inputs, world.parameters)


@pytest.mark.parametrize("column", CLASS_NAMES)
def test_a_counted_request_that_is_put_into_another_class_is_noticed(column: str) -> None:
    """One more in a class and one fewer in the next: no sum over the classes changes."""
    world, outcome = busy()
    classes, number = outcome.withdrawal_classes.copy(), CLASS_NAMES.index(column)
    classes[0, [0, 1], number] += [1, -1]
    with pytest.raises(ConservationError, match="counted requests"):
        check_conservation(replace(outcome, withdrawal_classes=classes), world.demand.inputs, world.parameters)


def test_more_final_payments_than_payments_are_noticed() -> None:
    world, outcome = busy()
    rails = outcome.feedback_rails.copy()
    rails[:, RAIL_NAMES.index("cum_final"), -1] = rails[:, RAIL_NAMES.index("cum_paid"), -1] + 1
    with pytest.raises(ConservationError, match=r"-\d confirming"):
        check_conservation(replace(outcome, feedback_rails=rails), world.demand.inputs, world.parameters)


@pytest.mark.parametrize("field", ["opened_ms", "closed_ms", "outcome"])
def test_a_ticket_that_is_lost_is_noticed(field: str) -> None:
    world = next(
        w for w in map(random_world, map(Random, range(100))) if (run(compiled.simulate, w).outcome == 1).any()
    )
    outcome = run(compiled.simulate, world)
    row = int(np.flatnonzero(outcome.outcome == 1)[0])
    column = getattr(outcome, field).copy()
    column[row] = 0 if field == "outcome" else np.iinfo(np.int64).max // 2 if field == "opened_ms" else -1
    with pytest.raises(ConservationError, match="tickets"):
        check_conservation(replace(outcome, **{field: column}), world.demand.inputs, world.parameters)


LEAKS = {
    "refills come from nowhere": ("pipeline/payout", "rails[row, r, COLD_C] -= order", "pass"),
    "what was reviewed is in review as well": ("pipeline/screening", "lv.rails[row, r, REVIEWED_C] += cents", "pass"),
    "what is released is held as well": (
        "pipeline/rows",
        "lv.rails[row, lv.drawn_rows[i, ROW_RAIL], HELD_C] -= lv.drawn_rows[i, ROW_CENTS]",
        "pass",
    ),
    "who gives up comes again": ("pipeline/gates", "gave_up += failed - back", "gave_up += 0"),
    "a repeated request is a new one": (
        "pipeline/requests",
        "lv.ints[row, N_AGAIN] -= again + _requested_again(lv, row)",
        "lv.ints[row, N_AGAIN] -= _requested_again(lv, row)",
    ),
    "a row that is put off by a closure leaves its money behind": (
        "pipeline/requests",
        "lv.rails[row, lv.drawn_rows[i, ROW_RAIL], AGAIN_C] += lv.drawn_rows[i, ROW_CENTS]",
        "pass",
    ),
    "a payment costs the wallet nothing": ("pipeline/payout", "            hot -= cents\n", ""),
    "whom a country bars is gone": ("pipeline/gates", "lv.ints[row, BARRED] += barred", "lv.ints[row, BARRED] -= 0"),
    "the money of those barred vanishes": (
        "pipeline/gates",
        "lv.rails[row, r, LOST_C] += lv.counted[r, FORBIDDEN, 1]",
        "pass",
    ),
    "a final row is still on the chain": (
        "pipeline/payout",
        "lv.rows[i, STAGE], lv.rows[i, FINAL_AT] = DONE, row - 1",
        "lv.rows[i, FINAL_AT] = row - 1",
    ),
    "a row is paid with the money of a counted one": (
        "pipeline/payout",
        "    rails[row, r, COUNTED_PAID_C] += cost\n",
        "    rails[row, r, COUNTED_PAID_C] += cost - 1\n",
    ),
    "a failure that is made again is one of another class": (
        "pipeline/gates",
        "            lv.due[at, r, AGAIN + 2 * kind] += back\n",
        "            lv.due[at, r, AGAIN + 2 * (kind + 1) % 6] += back\n",
    ),
    "the frightened are all of one class": (
        "mechanisms/panic",
        "lv.counted[lv.panic_rail[i], lv.panic_class[i], 0] += 1",
        "lv.counted[lv.panic_rail[i], 0, 0] += 1",
    ),
    "a counted payment is that of a row": ("pipeline/payout", "    rails[row, r, COUNTED_PAID] += paid\n", ""),
}


def simulate_all(simulate: Simulate) -> None:
    """Have an engine simulate random worlds that must balance."""
    for seed in range(1_000):
        world = random_world(Random(seed))
        check_conservation(run(simulate, world), world.demand.inputs, world.parameters)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_in_the_pipeline_breaks_the_law(leak: str) -> None:
    file, old, new = LEAKS[leak]
    leaky = interpreted(Change(f"feedback/{file}", old, new)).simulate
    with pytest.raises(ConservationError, match="came, of which there are"):
        simulate_all(leaky)


def test_a_run_that_breaks_the_law_ends_with_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    real = one_replication.ENGINES["fast"]

    def leaky(*arguments: object, **named: object) -> DeskOutcome:
        outcome = real(*arguments, **named)
        outcome.feedback_rails[0, RAIL_NAMES.index("cum_paid_cents"), -1] += 1
        return outcome

    monkeypatch.setitem(one_replication.ENGINES, "fast", leaky)
    exogenous = ["run", "baseline", "--set", "days=1", "--set", "warmup_days=0", "--replications", "1", "--jobs", "1"]
    with pytest.raises(SystemExit) as ended:
        main([*exogenous, "--out", f"{tmp_path}/out", "--quiet"])
    told = capsys.readouterr().err
    assert ended.value.code == 4
    assert "cents asked for[0, 0]" in told
    assert "an internal law broke; to reproduce it: withstand run baseline" in told

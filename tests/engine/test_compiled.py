"""The compiled engine is the twin of the SimPy engine, bit for bit, on a swarm of small worlds and on larger ones."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Barrier

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sim.core.clock import NEVER
from sim.engine import compiled
from sim.engine import reference as engine
from sim.engine.outcome import DeskOutcome
from sim.feedback import FeedbackParameters, RailParameters, RumourParameters
from tests.support.worlds import MIN, Rules, Small, crew, demand, desk, random_world, ticket
from tests.tools.planted import BEHIND, CRASHES, FAULTS, NO_ROOM
from tests.tools.planting import WORLDS, Change, Fault, counting, interpreted, noticed, redefined
from tests.tools.swarm import differences, disagreement, main, run, swarm

ROOT = Path(__file__).resolve().parents[2]
SWARM, CHUNK = 10_000, 2_000
BUSY = range(40)


def busy_world(seed: int) -> Small:
    """Return a world of some hundred to a few thousand tickets in long lines."""
    return random_world(Random(seed), scale=60 + 5 * seed)


# --- the same -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, SWARM, CHUNK))
def test_the_engines_make_the_same_of_a_swarm_of_worlds_that_meets_every_feature(first: int) -> None:
    tally = swarm(range(first, first + CHUNK))
    assert not tally.complaint(), tally.complaint()


@settings(max_examples=300, derandomize=True, phases=(Phase.generate, Phase.shrink))
@given(st.randoms(use_true_random=False).map(random_world))
def test_the_engines_make_the_same_of_worlds_that_shrink(world: Small) -> None:
    assert disagreement(world, run(engine.simulate, world), compiled.simulate) == []


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The room of each floor that the compiled engine makes, which begins with the least there can be."""
    made: list[int] = []
    arrays_of = compiled.arrays_of

    def noting(*args: object, room: int, **more: object) -> object:
        made.append(room)
        return arrays_of(*args, room=room, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(compiled, "arrays_of", noting)
    monkeypatch.setattr(compiled, "_ROOM", 0)
    return made


def test_busy_worlds_are_the_same_and_their_heaps_grow(rooms: list[int]) -> None:
    tickets, grown, twice = 0, 0, 0
    for seed in BUSY:
        world = busy_world(seed)
        outcome = run(engine.simulate, world)
        rooms.clear()
        assert disagreement(world, outcome, compiled.simulate) == [], f"busy_world({seed})"
        assert rooms == sorted(set(rooms))
        tickets += int((outcome.opened_ms < NEVER).sum())
        grown += len(rooms) > 1
        twice += len(rooms) > 2
    assert tickets > 20_000
    assert grown > 5
    assert twice > 0


def test_small_worlds_are_the_same_when_their_heaps_must_grow(rooms: list[int]) -> None:
    assert not swarm(range(1000)).wrong
    assert sum(room > 0 for room in rooms) > 50


def test_two_threads_make_the_same_as_one_after_the_other() -> None:
    worlds = [busy_world(seed) for seed in BUSY[:16]]
    alone = [run(compiled.simulate, world) for world in worlds]
    start = Barrier(2)

    def work(order: list[int]) -> dict[int, DeskOutcome]:
        start.wait()
        return {i: run(compiled.simulate, worlds[i]) for _ in range(3) for i in order}

    forth, back = list(range(len(worlds))), list(reversed(range(len(worlds))))
    with ThreadPoolExecutor(2) as pool:
        for made in pool.map(work, (forth, back)):
            assert all(differences(alone[i], made[i]) == [] for i in forth)


def test_an_engine_leaves_its_inputs_as_they_were() -> None:
    for seed in range(100):
        world, untouched = random_world(Random(seed)), random_world(Random(seed))
        for simulate in (engine.simulate, compiled.simulate):
            run(simulate, world)
            for mine, was in ((world.demand, untouched.demand), (world.desk, untouched.desk)):
                for name, value in vars(was).items():
                    assert np.array_equal(getattr(mine, name), value) if isinstance(value, np.ndarray) else True, name


def test_whole_numbers_and_strided_tables_are_taken_and_nothing_is_compiled_anew() -> None:
    world = demand(*[ticket(at, 10, complain=5, target=1) for at in range(5)], minutes=3, automatic=[9, 9, 9])
    rules = FeedbackParameters(
        rails=(RailParameters(payouts_per_minute=2),), rumour=RumourParameters(decay=1, admitted_per_complaint=1)
    )  # whole, where floats are due
    at = desk(crew({0: 1, 20: 2}), horizon=3 * MIN)
    wide = np.repeat(at.changes, 2, axis=1)[:, ::2]
    wide.setflags(write=False)
    small = Small(demand=world, desk=replace(at, changes=wide), parameters=rules)
    assert disagreement(small, run(engine.simulate, small), compiled.simulate) == []
    assert len(compiled._run.signatures) == 1


@pytest.mark.parametrize(
    ("world", "what"),
    [
        (Small(demand=demand(ticket(0, priority=1 << 14)), desk=desk()), "priority"),
        (Small(demand=demand(ticket(0, priority=-1)), desk=desk()), "priority"),
        (Small(demand=demand(ticket(0)), desk=desk(rules=Rules(ages={"q": [(5, 1 << 14)]}))), "priority"),
        (Small(demand=demand(ticket(0)), desk=desk(rules=Rules(ages={"q": [(5, 1)] * 2048}))), "ages of a queue"),
        (Small(demand=demand(ticket(0)), desk=desk(horizon=1 << 48)), "horizon_ms"),
        (
            Small(demand=demand(ticket(0), minutes=1), desk=desk(horizon=2 * MIN), parameters=FeedbackParameters()),
            "horizon_ms",
        ),
    ],
)
def test_what_does_not_fit_is_refused(world: Small, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        run(compiled.simulate, world)


def test_the_largest_that_fits_is_the_same() -> None:
    last = (1 << 14) - 1
    rows = [ticket(0, 10), ticket(0, 10, priority=last), ticket(0, 10, priority=last - 1), ticket(1, 10)]
    small = Small(demand=demand(*rows), desk=desk(rules=Rules(ages={"q": [(15, last)]}), horizon=10**9))
    assert disagreement(small, run(engine.simulate, small), compiled.simulate) == []


@pytest.mark.swarm
def test_a_swarm_with_every_index_checked_against_its_bounds(tmp_path: Path) -> None:
    probe = """
import numpy
from sim.core.jit import compiled, inlined
at = inlined(lambda table, i: table[i])
compiled(lambda table, i: at(table, i))(numpy.arange(3), 3)
"""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    (tmp_path / "probe.py").write_text(probe)
    assert "IndexError: index is out of bounds" in python(str(tmp_path / "probe.py")).stderr
    done = python("-m", "tests.tools.swarm", "--worlds", "2000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every index was checked against its bounds" in done.stdout


# --- what the swarm would notice ----------------------------------------------------------------------------------


def test_the_compiled_engine_as_plain_python_is_the_same() -> None:
    """So what is noticed below is the fault and not the way it is planted; no integer overflows, no index is odd."""
    with np.errstate(all="raise"):
        assert noticed(interpreted().simulate, WORLDS) is None
        assert noticed(interpreted(NO_ROOM).simulate, WORLDS // 4) is None
        assert noticed(counting(interpreted()).simulate, WORLDS // 4) is None


def test_the_heap_gives_the_smallest_pair_first() -> None:
    heap, rng = interpreted(file="engine/agenda"), Random(1)
    table, pairs = np.zeros((2, 300, 2), dtype=np.int64), []
    for _ in range(3000):
        if pairs and (len(pairs) == 300 or rng.random() < 0.48):
            assert tuple(table[1, 0]) == min(pairs)
            pairs.remove(min(pairs))
            heap.pop(table, 1, len(pairs) + 1)
        else:
            pair = (rng.randint(0, 9), rng.randint(0, 9))
            heap.push(table, 1, len(pairs), *pair)
            pairs.append(pair)
    assert not table[0].any()


def test_a_negative_index_is_refused() -> None:
    odd = Change("engine/compiled", "minute - 1, n[AT_OPENING]) if minute else (0, 0)", "minute - 1, n[AT_OPENING])")
    with pytest.raises(IndexError, match="negative index"):
        noticed(counting(interpreted(odd)).simulate, WORLDS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: Fault) -> None:
    with suppress(IndexError):  # an interpreted engine says so when a fault has it read beyond its tables
        assert noticed(interpreted(*fault.changes).simulate, WORLDS) is not None


@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.name)
def test_a_planted_fault_that_writes_beyond_a_table_is_noticed(fault: Fault) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        noticed(interpreted(*fault.changes).simulate, WORLDS)


@pytest.mark.parametrize("change", BEHIND, ids=lambda change: change.new)
def test_the_swarm_shows_a_twin_that_falls_behind_its_definition(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "simulate", redefined(change))
    tally = swarm(range(200))
    assert tally.wrong
    seed = min(tally.wrong)
    assert f"repeat: python -m tests.tools.swarm --seed {seed}" in tally.complaint()


def test_an_unchanged_definition_loaded_in_the_same_way_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine,
        "simulate",
        redefined(Change("engine/reference", "    return outcome_of_lists(", "    return outcome_of_lists(")),
    )
    assert not swarm(range(200)).wrong


def test_a_difference_in_type_shape_or_sign_alone_is_a_difference() -> None:
    same = run(compiled.simulate, random_world(Random(1)))
    assert differences(same, same) == []
    typed = replace(same, closed_ms=same.closed_ms.astype(np.int32))
    short = replace(same, leg_team=same.leg_team[:-1])
    signed = replace(same, feedback_floats=-np.zeros_like(same.feedback_floats))
    plus = replace(same, feedback_floats=np.zeros_like(same.feedback_floats))
    assert differences(same, typed)[0].startswith("closed_ms: int64")
    assert differences(same, short)[0].startswith("leg_team: int64")
    assert differences(plus, signed)[0].startswith("feedback_floats")


def test_the_command_shows_a_world_and_counts_a_swarm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--seed", "17"]) == 0
    assert "SimPy and the compiled twin: the same" in capsys.readouterr().out
    assert main(["--worlds", "1000"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("swarm: 1,000 worlds, ")
    monkeypatch.setattr(engine, "simulate", redefined(BEHIND[0]))
    assert main(["--seed", "15"]) == 1
    assert main(["--worlds", "20"]) == 1
    assert "--seed 15" in capsys.readouterr().out

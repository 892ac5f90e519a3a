"""Where unfinished runs lie: what names the place, who may work there, and what is left when."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polars.exceptions import ComputeError

import sim
from sim.experiment import checkpoint as checkpoints
from sim.experiment.checkpoint import Checkpoint, beside, identity, refusals_as_faults
from sim.experiment.store import ReplicationStore
from sim.scenario import Scenario, ScenarioFaults, load

METRICS: dict[str, float | None] = {"backlog_peak": 3.0}
SERIES: dict[tuple[str, str], np.ndarray] = {("all", "n_backlog"): np.arange(24.0)}


def filled(checkpoint: Checkpoint, *numbers: int) -> Checkpoint:
    checkpoint.open()
    for number in numbers:
        checkpoint.add(number, METRICS, SERIES)
    return checkpoint


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def quiet(*sets: str) -> Scenario:
    return load("quiet_week", sets=sets)


# --- the place ----------------------------------------------------------------------------------------------------


def test_what_decides_the_bits_names_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = identity(quiet(), seed=1)
    assert identity(quiet(), seed=1) == base
    others = {
        "seed": identity(quiet(), seed=2),
        "scenario": identity(quiet("teams.front.agents=3"), seed=1),
    }
    monkeypatch.setattr(checkpoints, "version", lambda name: f"another {name}")
    others["packages"] = identity(quiet(), seed=1)
    monkeypatch.undo()
    monkeypatch.setattr("platform.python_version", lambda: "3.99")
    others["python"] = identity(quiet(), seed=1)
    monkeypatch.undo()
    (tmp_path / "engine.py").write_text("an edited source")
    monkeypatch.setattr(checkpoints, "_HOME", tmp_path)
    checkpoints._sources.cache_clear()
    others["sources"] = identity(quiet(), seed=1)
    checkpoints._sources.cache_clear()
    assert len({base, *others.values()}) == 1 + len(others), others


def test_a_source_edited_or_moved_in_any_room_names_another_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So a checkpoint that was begun before is not resumed by code that may give other bits."""
    assert Path(sim.__file__).parent == checkpoints._HOME, "the identity is that of the whole model's sources"
    home = tmp_path / "sim"
    shutil.copytree(checkpoints._HOME, home, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(checkpoints, "_HOME", home)

    def place() -> Path:
        checkpoints._sources.cache_clear()
        return beside(tmp_path / "run", identity(quiet(), seed=1), named=True)

    before = place()
    filled(Checkpoint(before), 0, 1).close()
    places = {before}
    rooms = sorted(path.parent for path in home.glob("*/__init__.py"))
    for room in rooms:
        source = next(room.rglob("[a-z]*.py"))
        text = source.read_text("utf-8")
        source.write_text(f"{text}\n", "utf-8")
        places.add(place())
        source.write_text(text, "utf-8")
        assert place() == before, "the same sources, the same place"
        source.rename(source.with_name("moved.py"))
        places.add(place())
        source.with_name("moved.py").rename(source)
    checkpoints._sources.cache_clear()
    assert len(places) == 1 + 2 * len(rooms)
    for one in places:
        checkpoint = filled(Checkpoint(one))
        assert checkpoint.finished(100) == (2 if one == before else 0)
        checkpoint.close()


def test_the_content_of_the_candles_names_the_place_too(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    scenario = load("baseline", sets=[f'market.candles="{prices}"', 'market.begin="2020-03-12"'])
    found = []
    for content in ("1", "2", "1"):
        prices.write_text(content)
        found.append(identity(scenario, seed=1))
    assert found[0] == found[2] != found[1]


def test_it_lies_hidden_beside_the_run(tmp_path: Path) -> None:
    unnamed = beside(Path("results/quiet_week/20260101T000000-1"), "abc", named=False)
    assert unnamed == Path("results/quiet_week/.unfinished-abc")
    assert beside(tmp_path / "mine", "abc", named=True) == tmp_path / ".mine.unfinished-abc"


# --- what is left -------------------------------------------------------------------------------------------------


def test_what_was_finished_is_found_again_and_gone_when_settled(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    filled(Checkpoint(place), 0, 3).close()
    again = filled(Checkpoint(place), 3, 4)
    assert sorted(again.store.finished) == [0, 3, 4]
    assert [again.finished(most) for most in (0, 1, 4, 100)] == [0, 1, 2, 3]
    assert not again.private
    again.discard()
    again.close()
    assert names(place.parent) == []
    assert again.finished(100) == 0


def test_nothing_is_written_before_it_is_opened_and_nothing_left_of_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "place")
    assert names(tmp_path) == []
    checkpoint.open()
    assert names(tmp_path) == ["place"]
    checkpoint.close()
    assert names(tmp_path) == []


def test_without_a_place_it_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    checkpoint = filled(Checkpoint(), 0)
    assert checkpoint.private
    assert len(names(tmp_path)) == 1
    checkpoint.close()
    assert names(tmp_path) == []


def test_a_kill_amid_the_removal_leaves_nothing_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    checkpoint = filled(Checkpoint(place), 0)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # as if killed just before it
    checkpoint.discard()
    monkeypatch.undo()
    assert names(tmp_path) == ["place.settled"]
    again = filled(Checkpoint(place))
    assert not again.store.finished
    again.close()
    assert names(tmp_path) == []


# --- who may work there -------------------------------------------------------------------------------------------


def test_a_second_one_at_the_same_time_works_apart(tmp_path: Path) -> None:
    place = tmp_path / "place"
    first, second = filled(Checkpoint(place), 0), filled(Checkpoint(place))
    assert (first.private, second.private) == (False, True)
    assert second.finished(10) == 0
    second.add(1, METRICS, SERIES)
    second.close()
    first.close()
    third = filled(Checkpoint(place))
    assert not third.private
    assert sorted(third.store.finished) == [0]
    third.discard()


def test_another_process_holds_the_place_until_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sim.experiment.checkpoint import Checkpoint;"
        "Checkpoint(Path(sys.argv[1])).open();"
        "print('open', flush=True); sys.stdin.read()"
    )
    place = tmp_path / "place"
    with subprocess.Popen([sys.executable, "-c", code, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        checkpoint = filled(Checkpoint(place))
        assert checkpoint.private
        checkpoint.close()
        other.kill()
    checkpoint = filled(Checkpoint(place))
    assert not checkpoint.private
    checkpoint.close()


def test_a_lock_on_a_ledger_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of the lock file and the lock itself, the first one settles: its file is another's."""
    import fcntl

    place = tmp_path / "place"
    first = filled(Checkpoint(place), 0)
    lock, turns = fcntl.flock, []

    def late(*given: Any) -> None:
        turns.append(given)
        if len(turns) == 1:
            first.discard()
        lock(*given)

    monkeypatch.setattr("fcntl.flock", late)
    second = filled(Checkpoint(place), 7)
    assert len(turns) == 2
    assert not second.private
    assert (place / "lock").is_file()
    second.close()


# --- refusals -----------------------------------------------------------------------------------------------------


def test_what_the_system_refuses_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioFaults) as told:
        Checkpoint(tmp_path / "file" / "place").open()
    rule = "must be a writable folder that does not exist yet"
    assert told.value.faults == [f"{tmp_path}/file/place: --out: got Not a directory; {rule}"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    checkpoint = filled(Checkpoint(tmp_path / "place"), 0)
    monkeypatch.setattr(ReplicationStore, "add", full)
    with pytest.raises(ScenarioFaults) as told:
        checkpoint.add(1, METRICS, SERIES)
    assert told.value.faults == [f"{tmp_path}/place: --out: got No space left on device; {rule}"]
    monkeypatch.undo()
    checkpoint.close()
    assert sorted(filled(Checkpoint(tmp_path / "place")).store.finished) == [0]


def test_what_polars_is_refused_is_a_fault_and_its_other_errors_are_not(tmp_path: Path) -> None:
    full = "parquet: File out of specification: underlying IO error: No space left on device (os error 28)"
    with pytest.raises(ScenarioFaults) as told, refusals_as_faults(tmp_path / "run"):
        raise ComputeError(full)
    assert "got No space left on device; must be" in told.value.faults[0]
    with pytest.raises(ComputeError, match="odd"), refusals_as_faults(tmp_path / "run"):
        raise ComputeError("odd")

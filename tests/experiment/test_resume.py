"""Runs that were stopped or killed, and resumed: equal, byte for byte, to those that never were."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli_runs import LONGEST_S, Told, undrawn, withstand

TINY = ("run", "quiet_week", "--set", "days=1", "--set", "warmup_days=0")
N = 12
TABLES = ["series.parquet", "replications.parquet", "tickets.parquet", "arrivals.parquet"]

# A command that says what it has kept, and then goes on, or waits for ever (so that it can be killed exactly there).
CHILD = """
import sys, threading
import sim.cli, sim.cli.execution, sim.output.run_folder
from sim.experiment.checkpoint import Checkpoint

add, kept, most = Checkpoint.add, [], int(sys.argv[1])

def noted(checkpoint, number, *rest):
    add(checkpoint, number, *rest)
    kept.append(number)
    print("kept", len(kept), flush=True)
    if len(kept) == most:
        threading.Event().wait()

def writing(*_):
    print("writing", flush=True)
    threading.Event().wait()

def compiling(*, quiet):
    if most < 0:
        print("compiling", flush=True)
        threading.Event().wait()

if __name__ == "__main__":
    Checkpoint.add, sim.output.run_folder.arrivals = noted, writing
    sim.cli.execution.compiled_first = compiling
    sim.cli.main(sys.argv[2:])
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    undrawn(monkeypatch)
    Path("child.py").write_text(CHILD)


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch)
        place = tmp_path_factory.mktemp("never_killed") / "run"
        assert withstand(*TINY, "--replications", N, "--jobs", 2, "--quiet", "--out", place).code == 0
        return place


def listing() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name != "child.py")


def checkpoints(folder: str | Path = ".") -> list[Path]:
    return [path for path in Path(folder).iterdir() if ".unfinished-" in path.name]


def assert_same(run: str | Path, other: Path) -> None:
    for name in ["metrics.json", *TABLES]:
        assert (Path(run) / name).read_bytes() == (other / name).read_bytes(), name


@contextmanager
def child(*arguments: str | int, most: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Yield a command that waits for ever once it has kept ``most`` replications.

    0: once it begins to write; -1: once it would compile the engine.
    """
    command = [sys.executable, "child.py", str(most), *map(str, [*TINY, "--out", "run", *arguments])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said == f"{line}\n":
            return
    assert process.stderr is not None
    pytest.fail(f"never said {line!r}: {process.stderr.read()}")


def killed_at(line: str, *arguments: str | int, most: int = 0) -> str:
    """Kill a command when it has said a line; return what it had said on stderr once all its workers have ended."""
    with child(*arguments, most=most) as process:
        read_until(process, line)
        process.send_signal(signal.SIGKILL)
        _, told = process.communicate(timeout=LONGEST_S)  # until the last worker that holds a pipe is gone
        assert process.returncode == -signal.SIGKILL
        return told


def resumed(*arguments: str | int) -> Told:
    return withstand(*TINY, "--out", "run", *arguments)


def resuming(finished: int, most: int) -> str:
    return f"resuming: {finished} of {most} replications were finished before\n"


# --- kill -9 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "jobs"), [("fast", 1), ("fast", 2), ("simpy", 2)])
def test_a_killed_run_resumed_equals_one_never_killed(never_killed: Path, engine: str, jobs: int) -> None:
    how: Sequence[str | int] = ("--replications", N, "--engine", engine, "--jobs", jobs)
    killed_at("kept 3", *how, most=3)
    assert listing() == [checkpoints()[0].name]
    told = resumed(*how)
    assert told.code == 0
    assert resuming(3, N) in told.err
    assert_same("run", never_killed)
    assert listing() == ["run"]


def test_killed_twice_and_resumed_by_the_other_engine(never_killed: Path) -> None:
    how = ("--replications", N, "--jobs", 2)
    assert "resuming" not in killed_at("kept 3", *how, most=3)
    assert resuming(3, N) in killed_at("kept 4", *how, most=4)
    told = resumed(*how, "--engine", "simpy")
    assert resuming(7, N) in told.err
    assert_same("run", never_killed)
    assert listing() == ["run"]


def test_killed_while_the_run_folder_is_written(never_killed: Path) -> None:
    killed_at("writing", "--replications", N)
    assert not Path("run").exists()
    told = resumed("--replications", N)
    assert resuming(N, N) in told.err
    assert_same("run", never_killed)
    assert listing() == ["run"]


def test_a_torn_journal_costs_one_replication(never_killed: Path) -> None:
    """What a kill in the middle of a write leaves: the last line of the journal is cut short."""
    killed_at("kept 5", "--replications", N, most=5)
    journal = max(checkpoints()[0].rglob("*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-20])
    assert resuming(4, N) in resumed("--replications", N).err
    assert_same("run", never_killed)


def test_it_may_go_on_with_fewer_or_more_replications(never_killed: Path) -> None:
    killed_at("kept 5", "--replications", 5, "--jobs", 1, most=5)
    killed_at("writing", "--replications", 3)
    assert resuming(5, N) in resumed("--replications", N).err
    assert_same("run", never_killed)


def test_a_precision_is_reached_with_the_same_number_after_a_kill() -> None:
    how = ("--precision", "25%", "--replications", 60)
    assert withstand(*TINY, *how, "--out", "never").code == 0
    killed_at("kept 8", *how, most=8)
    assert resuming(8, 60) in resumed(*how).err
    assert_same("run", Path("never"))


def test_without_a_place_of_its_own_it_is_found_again_too() -> None:
    command = [sys.executable, "child.py", "2", *TINY, "--replications", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        read_until(process, "kept 2")
        process.kill()
    place = Path("results/quiet_week")
    assert len(checkpoints(place)) == 1
    assert resuming(2, 5) in withstand(*TINY, "--replications", 5).err
    assert checkpoints(place) == []
    assert len(list(place.iterdir())) == 1
    assert "resuming" not in withstand(*TINY, "--replications", 5).err, "a finished run is not taken up again"


def test_another_seed_or_scenario_is_another_run() -> None:
    killed_at("kept 2", "--replications", 5, most=2)
    for other in (("--seed", 2), ("--set", "teams.front.agents=3")):
        told = withstand(*TINY, "--replications", 2, *other, "--out", "other")
        assert told.code == 0
        assert "resuming" not in told.err
        Path("other").rename(f"other-{other[1]}")
    assert len(checkpoints()) == 1


# --- signals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("engine", "jobs"), [("fast", 1), ("fast", 2), ("simpy", 2)])
def test_a_signal_leaves_what_is_finished(number: int, code: int, engine: str, jobs: int) -> None:
    how: Sequence[str | int] = ("--engine", engine, "--jobs", jobs)
    with child(*how, "--replications", 20_000, most=20_000) as process:
        read_until(process, "kept 2")
        if number == signal.SIGINT:  # a terminal sends it to the workers too, who must leave it to the parent
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, told = process.communicate(timeout=LONGEST_S)
    assert process.returncode == code
    line = told.splitlines()[-1]
    place = checkpoints()[0]
    found = re.fullmatch(r"stopped; (\d+) of 20000 replications are kept in (.*); the same command resumes", line)
    assert found, told
    kept = int(found[1])
    assert kept >= 2
    assert Path(found[2]).resolve() == place.resolve()
    assert out.count("kept") <= kept - 2  # some lines may have been read ahead, together with the second
    assert "Traceback" not in told
    assert listing() == [place.name], "nothing that looks like a run"
    assert resuming(kept, kept + 1) in resumed("--replications", kept + 1).err
    assert listing() == ["run"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_replication(number: int, code: int) -> None:
    with child("--replications", N, most=-1) as process:
        read_until(process, "compiling")
        process.send_signal(number)
        _, told = process.communicate(timeout=LONGEST_S)
    assert process.returncode == code
    assert told == f"stopped; 0 of {N} replications were finished, none are kept\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_run_folder_is_written(never_killed: Path, number: int, code: int) -> None:
    with child("--replications", N) as process:
        read_until(process, "writing")
        process.send_signal(number)
        _, told = process.communicate(timeout=LONGEST_S)
    assert process.returncode == code
    assert f"stopped; {N} of {N} replications are kept in " in told
    assert listing() == [checkpoints()[0].name]
    assert resumed("--replications", N).code == 0
    assert_same("run", never_killed)


# --- two at a time, and places that refuse ------------------------------------------------------------------------


def test_a_second_command_at_the_same_time_works_apart() -> None:
    with child("--replications", 5, most=2) as process:
        read_until(process, "kept 2")
        told = withstand(*TINY, "--replications", 5, "--out", "run")
        assert told.code == 0
        assert told.err.startswith("another process is computing this run; this one shares nothing with it")
        assert "resuming" not in told.err
        assert checkpoints() != []


@pytest.mark.parametrize(
    ("room", "which"),
    [(30_000, ".run.unfinished-"), (150_000, "run: ")],  # too little for the twelve; for the report
)
def test_a_disk_that_is_full_is_told_and_what_was_kept_is_not_lost(never_killed: Path, room: int, which: str) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    command = [sys.executable, "-c", "from sim.cli import main; main()", *TINY, "--replications", str(N)]
    done = subprocess.run(
        [*command, "--jobs", "1", "--quiet", "--out", "run"],
        capture_output=True, text=True, preexec_fn=little_room, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    rule = "--out: got File too large; must be a writable folder that does not exist yet"
    assert done.stderr.endswith(f"{rule}\n")
    assert done.stderr.count("\n") == 1
    assert which in done.stderr
    assert listing() == [checkpoints()[0].name]
    told = resumed("--replications", N)
    assert re.search(rf"^resuming: [1-9]\d? of {N} ", told.err)
    assert_same("run", never_killed)

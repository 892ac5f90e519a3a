"""A scenario to its run folder: compiled, simulated with a progress bar, resumed after a stop, written."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sim.api import Run, Work
from sim.api import run as simulate
from sim.cli.tables import Bar, progress
from sim.core.jit import cache_folder, is_compiled
from sim.experiment.analysis.precision import at_most
from sim.experiment.checkpoint import Checkpoint, beside, identity
from sim.experiment.precompile import precompile
from sim.experiment.replications import cores
from sim.output.run_folder import write_run
from sim.output.run_place import default_folder, partial_of
from sim.scenario import Scenario


def produced(
    scenario: Scenario, options: Namespace, *, sets: Sequence[str] = (), notes: Sequence[str] = ()
) -> tuple[Run, Path]:
    """Return a run and the folder that it was written to; the replications of an earlier, unfinished run are reused."""
    with resumable(scenario, options) as checkpoint:
        done = _simulated(scenario, options, checkpoint)
        folder = run_folder(options, done.started)
        checkpoint.note_partial(partial_of(folder))
        with done.profile.timed("write"):
            everything = options.tickets == "all"
            write_run(done, folder, source=options.scenario, sets=sets, notes=notes, all_tickets=everything)
        checkpoint.discard()
    return done, folder


def compiled_first(*, quiet: bool) -> None:
    """Compile the engine unless it is compiled, and report it, because it takes a while."""
    if not is_compiled():
        if not quiet:
            once = "once for this version" if cache_folder() else "at every start, for no folder keeps it"
            print(f"compiling the engine, {once} (about 40 s) ...", file=sys.stderr, flush=True)
        precompile()


def run_folder(options: Namespace, started: datetime) -> Path:
    """Return the run folder of a command: ``--out``, or one named by scenario, time and seed."""
    return Path(options.out) if options.out else default_folder(Path(options.scenario).stem, options.seed, started)


@contextmanager
def resumable(scenario: Scenario, options: Namespace) -> Iterator[Checkpoint]:
    """Yield the checkpoint of a command; an interrupt leaves the finished replications in it, and reports that."""
    folder = run_folder(options, datetime.now(UTC))
    checkpoint = Checkpoint(beside(folder, identity(scenario, seed=options.seed), named=bool(options.out)))
    try:
        yield checkpoint
    except KeyboardInterrupt as stop:
        raise type(stop)(_stopped(checkpoint, at_most(options.replications, options.precision))) from None
    finally:
        checkpoint.close()


def _stopped(checkpoint: Checkpoint, most: int) -> str:
    finished = checkpoint.finished(most)
    if checkpoint.private or not finished:
        return f"stopped; {finished} of {most} replications were finished, none are kept"
    return f"stopped; {finished} of {most} replications are kept in {checkpoint.folder}; the same command resumes"


def _simulated(scenario: Scenario, options: Namespace, checkpoint: Checkpoint) -> Run:
    name = Path(options.scenario).stem
    with progress(f"simulating {name}", quiet=options.quiet) as bar:
        return simulate(
            scenario,
            replications=options.replications,
            seed=options.seed,
            engine=options.engine,
            jobs=options.jobs or cores(),
            precision=options.precision,
            name=name,
            work=Work(checkpoint, lambda finished, most: _begin(bar, checkpoint, finished, most), bar.tick),
        )


def _begin(bar: Bar, checkpoint: Checkpoint, finished: int, most: int) -> None:
    if checkpoint.private:
        bar.say("another process is computing this run; this one shares nothing with it, and cannot be resumed")
    if finished:
        bar.say(f"resuming: {finished} of {most} replications were finished before")
    compiled_first(quiet=bar.quiet)
    bar.begin(finished, most)

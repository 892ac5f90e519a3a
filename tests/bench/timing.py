"""What the benches share: models that take turns, and processes whose time and memory are their own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = Path(__file__).with_name("launch.py")
PRECOMPILE = "from sim.experiment.precompile import precompile; precompile()"
T = TypeVar("T")


def turns(models: Mapping[str, Callable[[int], T]], count: int, *, seed: int) -> Iterator[dict[str, T]]:
    """Yield what each model returns, turn by turn, each with a seed of its own.

    The models take turns so that other work on the machine weighs on all of them alike. One turn before the first,
    which imports and compiles, is not yielded.
    """
    for number in range(-1, count):
        done = {}
        for name, model in models.items():
            gc.collect()
            done[name] = model(seed + number)
        if number >= 0:
            yield done


@dataclass(frozen=True)
class Used:
    """What a process took: seconds by the wall clock and of CPU, peak resident memory in MB (2**20 bytes), exit code.

    The code is negative where a signal ended it: -9 when it did not end in time.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int
    out: str

    @property
    def last_line(self) -> str:
        """The last line that it printed."""
        return self.out.strip().splitlines()[-1]


def process(command: Sequence[str], *, limit_s: int = 1800, limit_gb: int = 20) -> Used:
    """Return what a command took, from its start to its end; it may take so much time, and address so much memory.

    A launcher of a few MB starts it: a process inherits its parent's peak, and this one may have a large one.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(limit_s), str(limit_gb), *command]
    told = subprocess.run(launcher, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    out, _, used = told.rstrip("\n").rpartition("\n")
    return Used(**json.loads(used), out=out)


def finished(command: Sequence[str]) -> Used:
    """Return what a command took that must end well; raises RuntimeError when it does not."""
    used = process(command)
    if used.code:
        raise RuntimeError(f"{' '.join(command)}: ended with {used.code}")
    return used


def compiled_first() -> None:
    """Have a process of its own compile what is not yet, so that neither time nor memory of it counts elsewhere."""
    finished([sys.executable, "-c", PRECOMPILE])

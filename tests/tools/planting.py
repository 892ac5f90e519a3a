"""How faults are planted in the source text of an engine, and noticed by the worlds of the swarm.

The compiled engine is loaded as plain Python, which small worlds do not mind; so every index is checked as well, and
an integer that overflows is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from sim.engine import compiled as twin
from sim.engine import reference as engine
from sim.engine.outcome import DeskOutcome
from tests.support.worlds import Small, random_world
from tests.tools.swarm import Simulate, differences, run

SIM = Path(twin.__file__).parents[1]
PARTS = (
    "feedback/declaration", "feedback/mechanisms/copies", "feedback/mechanisms/rumour",
    "feedback/mechanisms/trust", "feedback/mechanisms/lines", "feedback/mechanisms/withdrawals",
    "feedback/mechanisms/panic", "feedback/columns", "feedback/inputs", "feedback/parameters", "feedback/state",
    "feedback/pipeline/rows", "feedback/pipeline/requests", "feedback/pipeline/gates",
    "feedback/pipeline/screening", "feedback/pipeline/payout", "feedback/pipeline", "feedback/withdrawals",
    "feedback/public", "feedback/step", "feedback", "engine/arrays", "engine/agenda", "engine/hands",
    "engine/due_complaints", "engine/compiled",
)  # fmt: skip
"""The files that the compiled engine is made of, each after those that it imports."""


WORLDS = 1_000
"""The worlds within which a fault is noticed."""


class Change(NamedTuple):
    """A change of a source file: a text that stands in it exactly once, and what takes its place."""

    file: str
    old: str
    new: str


class Fault(NamedTuple):
    """A fault: its name in words, and the changes that plant it."""

    name: str
    changes: tuple[Change, ...]


def name_of(file: str) -> str:
    """Return the name of the module in a file."""
    return f"sim.{file.replace('/', '.')}"


def changed(file: str, changes: Iterable[Change], stand_ins: dict[str, ModuleType]) -> ModuleType:
    """Return a module of ``sim`` made from its changed source; it finds the stand-ins where it imports."""
    path = SIM / file / "__init__.py" if (SIM / file).is_dir() else SIM / f"{file}.py"
    text = path.read_text("utf-8")
    for change in changes:
        if change.file == file:
            assert text.count(change.old) == 1, f"{path.name} must hold exactly once: {change.old}"
            text = text.replace(change.old, change.new)
    module = ModuleType(name_of(file))
    with patch.dict(sys.modules, stand_ins):
        exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def interpreted(*changes: Change, file: str = "engine/compiled") -> ModuleType:
    """Return the compiled engine, or another file that it is made of, as plain Python with these changes."""
    plain = ModuleType("sim.core.jit")
    plain.compiled = plain.inlined = plain.outlined = lambda function: function  # type: ignore[attr-defined]
    stand_ins = {"sim.core.jit": plain}
    for part in PARTS:
        stand_ins[name_of(part)] = changed(part, changes, stand_ins)
    return stand_ins[name_of(file)]


class Counted(np.ndarray):
    """An array that refuses to count from its end: in a kernel a negative index is a mistake."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_from_the_start(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_from_the_start(key), value)


def _from_the_start(key: Any) -> Any:
    if min(key if isinstance(key, tuple) else (key,)) < 0:
        raise IndexError(f"negative index: {key}")
    return key


def counting(module: ModuleType) -> ModuleType:
    """Return an interpreted engine, made to refuse negative indices."""
    loop = module._loop

    def view(one: Any) -> Any:
        if isinstance(one, np.ndarray):
            return one.view(Counted)
        if isinstance(one, tuple) and hasattr(one, "_make"):
            return one._make(view(part) for part in one)
        return one

    module._run = lambda arrays: loop(arrays._make(view(one) for one in arrays))  # type: ignore[attr-defined]
    return module


@cache
def defined(seed: int) -> tuple[Small, DeskOutcome]:
    """Return a world of the swarm, and what the definition makes of it."""
    world = random_world(Random(seed))
    return world, run(engine.simulate, world)


def noticed(simulate: Simulate, worlds: int) -> int | None:
    """Return after how many worlds of the swarm an engine is seen to make other tables; None if it is not."""
    with np.errstate(divide="ignore"):
        for seed in range(worlds):
            world, outcome = defined(seed)
            if differences(outcome, run(simulate, world)):
                return seed + 1
    return None


def redefined(change: Change) -> Simulate:
    """Return the SimPy engine with a change."""
    stand_ins: dict[str, ModuleType] = {}
    for file in ("engine/crew", "engine/feedback_clock", "engine/reference"):
        stand_ins[name_of(file)] = changed(file, [change], stand_ins)
    return stand_ins["sim.engine.reference"].simulate  # type: ignore[no-any-return]

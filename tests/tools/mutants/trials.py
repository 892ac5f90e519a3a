"""A change tried: the tests of its subject are run with the changed file in the place of the original.

Each trial is a fork of one process that has loaded the libraries, none of the product. A changed file that is compiled
otherwise runs as plain Python, so nothing is compiled anew; the rest is the compiled code of the sources as they are.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType
from typing import NamedTuple

from tests.tools.mutants.operators import ROOT

LIBRARIES = (
    "numba",
    "hypothesis",
    "polars",
    "pydantic",
    "pytest",
    "scipy.optimize",
    "scipy.special",
    "simpy",
    "tomlkit",
)
LONGEST_S, MOST_BYTES = 180, 6 << 30
_BROKEN = 99
_QUIETLY = ("-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no")
_JIT = "from sim.core.jit import "
_PLAIN = "; compiled = inlined = outlined = lambda function: function"


class Trial(NamedTuple):
    """How the tests ended: NOTICED or SURVIVED, after how long, and the line that says which test failed."""

    noticed: bool
    seconds: float
    told: str


def changed_source(text: str) -> str:
    """Return a source whose compiled functions are plain Python, on the same lines."""
    return "\n".join(line + _PLAIN if line.startswith(_JIT) else line for line in text.split("\n"))


class _Changed(SourceFileLoader):
    text = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(changed_source(self.text), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        loader = _Changed(fullname, str(ROOT / self.file))
        loader.text = self.text
        return spec_from_file_location(fullname, ROOT / self.file, loader=loader)


def load_libraries() -> None:
    """Load what every trial needs and no change concerns."""
    for name in LIBRARIES:
        importlib.import_module(name)


def tried(file: str, text: str, tests: Sequence[str]) -> Trial:
    """Return how the tests end with a text in the place of a file. What takes too long, or too much memory, fails."""
    began = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _run(file, text, tests, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, 1, 2) and code >= 0:  # none of the tests' own ends: nothing was tried
        raise RuntimeError(f"the trial of {file} ended with {code}: {told}")
    failed = [line for line in told.splitlines() if line.startswith(("FAILED", "ERROR"))]
    why = failed[0] if failed else f"ended with {code}"
    return Trial(code != 0, time.monotonic() - began, why)


def _run(file: str, text: str, tests: Sequence[str], writer: int) -> None:
    """Run the tests in this process, and end it with their code; 0 where all passed."""
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.chdir(ROOT)
        sys.meta_path.insert(0, _Finder(file, text))
        for name in [name for name in sys.modules if name.split(".")[0] == "sim"]:
            raise AssertionError(f"{name} is loaded before the trial")
        import pytest

        code = int(pytest.main([*_QUIETLY, *tests]))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        code = _BROKEN
    sys.stderr.flush()
    os._exit(code)

"""withstand: what a bad day does to a crypto exchange's support desk.

``from sim import load, run, compare, select, read_run`` is the public face; the names are imported on first use, so
that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.api import Run, run
    from sim.experiment.analysis.comparison import compare
    from sim.experiment.selection import select
    from sim.output.saved_run import read_run
    from sim.scenario import Scenario, ScenarioFaults, load

__all__ = ["Run", "Scenario", "ScenarioFaults", "compare", "load", "read_run", "run", "select"]
_HOME = {
    "load": "sim.scenario",
    "Scenario": "sim.scenario",
    "ScenarioFaults": "sim.scenario",
    "run": "sim.api",
    "Run": "sim.api",
    "read_run": "sim.output.saved_run",
    "compare": "sim.experiment.analysis.comparison",
    "select": "sim.experiment.selection",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}; it offers {', '.join(__all__)}")
    from importlib import import_module

    from sim.core.memory import share_memory

    share_memory()  # before the libraries that start threads
    return getattr(import_module(_HOME[name]), name)

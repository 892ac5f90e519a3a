"""One short replication compiles all that any scenario needs: nothing is left to compile in the middle of a run."""

from __future__ import annotations

import json
import subprocess
import sys

from sim.scenario.loading import catalogue
from tests.support.cli_runs import LONGEST_S, ROOT

# In a process of its own, where nothing has been compiled or loaded before.
CODE = """
import json, sys
from sim.core.jit import is_compiled
from sim.experiment.precompile import precompile

def versions():
    found = {}
    for module in [name for name in sys.modules if name.startswith("sim.")]:
        for name, value in vars(sys.modules[module]).items():
            if hasattr(value, "nopython_signatures"):
                found[f"{value.__module__}.{value.__name__}"] = len(value.nopython_signatures)
    return found

precompile()
assert is_compiled()
import tomllib
from sim.experiment.request_trace import arrivals, busiest_window
from sim.metrics.registry import measure
from sim.experiment.replication import observe
from sim.scenario import load
from sim.scenario.loading.load import from_resolved
from sim.selfcheck import checks
from sim.metrics.hourly import hourly
from sim.metrics.ticket_table import ticket_table
from sim.model.model import build

before = versions()
scenarios = [load(name, sets=["days=1"]) for name in sys.argv[1:]]
scenarios += [load("baseline", sets=["days=1", "complaints.clock=opening"])]
texts = [check.scenario for check in checks() if check.scenario]
scenarios += [from_resolved(tomllib.loads(text) | {"days": 1, "warmup_days": 0}) for text in texts]
for scenario in scenarios:
    observed = observe(build(scenario), seed=1, replication=0)
    measure(observed), hourly(observed), ticket_table(observed), arrivals(observed, busiest_window(observed))
after = versions()
print(json.dumps({"known": sum(before.values()), "new": [name for name in after if after[name] != before.get(name)]}))
"""


def test_no_scenario_compiles_anything_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *catalogue.names()],
        cwd=ROOT, capture_output=True, text=True, timeout=4 * LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["known"] > 0
    assert told["new"] == []

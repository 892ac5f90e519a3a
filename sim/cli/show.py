"""``withstand show``, ``compare`` and ``schema``: the existing results, in plain text."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from sim.cli.tables import columns, metric_table
from sim.experiment.analysis.expectations import expected_text
from sim.experiment.analysis.headline import HEADLINE
from sim.scenario.faults import ScenarioFaults, closest


def show(options: Namespace) -> int:
    """Print the numbers of a run folder, and the verdicts of its load tests."""
    from sim.output.saved_run import read_run

    saved = read_run(Path(options.run))
    info = saved.info
    print(f"{info['title']}: {info['replications']} replications from seed {info['seed']}, {info['started_utc']}")
    print(metric_table(saved.metrics, days=info["scenario"]["days"], everything=options.all))
    for one in info["expect"]:
        print(f"expect {expected_text(one['metric'], one['limit'])}: {one['measured']}; {one['verdict']}")
    for verdict in saved.verdicts():
        print(f"load test {verdict.parent.name}: {_verdict_words(verdict)}")
    return 0


def _verdict_words(path: Path) -> str:
    verdict = json.loads(path.read_text(encoding="utf-8"))
    failed = [one["name"] for one in verdict["thresholds"] if not one["passed"]]
    words = "passed" if not failed else f"failed ({', '.join(failed)})"
    return words if verdict["valid"] else f"{words}; invalid: {'; '.join(verdict['reasons'])}"


def compare(options: Namespace) -> int:
    """Print the differences of runs from the first, paired where they had the same customers."""
    from sim.experiment.analysis.comparison import HEAD
    from sim.experiment.analysis.comparison import compare as compared
    from sim.output.saved_run import read_run

    if len(options.runs) < 2:
        raise ScenarioFaults(["command line: RUN: got 1 run; must be 2 or more; the first is the base"])
    runs = [read_run(Path(path)) for path in options.runs]
    rule = f"must be the {runs[0].days} of {options.runs[0]}: peaks, and averages of what comes and goes, depend on it"
    unequal = [(path, one.days) for path, one in zip(options.runs, runs, strict=True) if one.days != runs[0].days]
    if unequal:
        raise ScenarioFaults([f"{path}: days: got {days}; {rule}" for path, days in unequal])
    known = list(runs[0].metrics)
    unknown = [name for name in options.metric if name not in known]
    if unknown:
        rule = f"must be a metric of {options.runs[0]}"
        hints = {name: f"; did you mean {near}?" for name in unknown if (near := closest(name, known))}
        raise ScenarioFaults([f"command line: --metric: got {n}; {rule}{hints.get(n, '')}" for n in unknown])
    names = options.metric or [name for name in HEADLINE if name in known]
    for path, other in zip(options.runs[1:], runs[1:], strict=True):
        table = compared(runs[0], other)
        print(f"{path} less {options.runs[0]}: {table.how}")
        known_of = table.names()
        rows = [HEAD]
        rows += [table.row(name) for name in names if name in known_of]
        print(columns(rows))
        there = [name for name in names if options.metric or runs[0].metrics[name].mean is not None]
        if lacking := [name for name in there if name not in known_of]:
            print(f"fewer than 2 values in common, so no difference: {', '.join(lacking)}")
    return 0


def schema(options: Namespace) -> int:
    """Print the JSON Schema of scenarios."""
    from sim.scenario.reference.json_schema import json_schema

    print(json.dumps(json_schema(), indent=1))
    return 0

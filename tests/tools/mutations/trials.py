"""Random mutations of the catalogue: each is refused in the one form, or loads; and what loads runs, and makes sense.

``python -m tests.tools.mutations 50000`` tries so many, on all cores, and ends with a summary line; with ``--runs N``
it also runs, for two days, the first N of each thousand that load. ``--seed S --only K`` repeats one and shows it.
Exit code 1 when a mutation ends otherwise: in an exception, a fault of another form, or numbers that cannot be.
"""

from __future__ import annotations

import argparse
import copy
import re
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from math import isfinite
from multiprocessing import get_context
from random import Random
from typing import Any, NamedTuple

import numpy as np

from sim.core.at_least import is_censored
from sim.experiment.replication import observe
from sim.experiment.replications import cores
from sim.metrics.hourly import hourly
from sim.metrics.registry import measure
from sim.model.model import build
from sim.scenario import ScenarioFaults
from sim.scenario.faults import Finding
from sim.scenario.loading import catalogue
from sim.scenario.loading.files import read_chain
from sim.scenario.loading.load import validated
from sim.scenario.loading.merge import merge
from sim.scenario.rules import cross_faults
from sim.scenario.schema.scenario import Scenario

FORM = re.compile(r"\S.*: got (?s:.+); must .+")
DURATION = re.compile(r"[0-9.]+ (?:ms|s|min|h|d|w)")
ODD: tuple[Any, ...] = (
    0, 1, -1, 2, 0.5, 1.5, -0.5, 1e-9, 1e6, 1e12, 1e300, 2**53, 2**60, float("inf"), float("nan"), True, False, "",
    "a", "a.b", "../../evil", "0 s", "1 ms", "10 min", "1 h", "25 h", "1 d", "50 d", "100000 d", "-1 h", "08:00",
    "24:00", "2026-01-05", "panic", "leave", [], [0], [1.0, 2.0], ["a"], {}, {"a": 1}, None,
)  # fmt: skip
LARGEST_TICKETS = 300_000
"""What is larger is loaded but not run: it would only take long."""
THOUSAND = 1000
RATIOS = {"assets_left_share", "wallet_low_share", "load_share", "load_peak_day"}
"""Shares of a level of another time, which deposits may exceed, and of the agents, who may have more work than time."""
SIGNED = {"complaints_reducible_per_day"}
"""A difference of two levels, which may be below 0."""


class Verdict(NamedTuple):
    """How one mutation ended: ``refused``, ``loaded``, ``ran`` or ``wrong``; its faults, and what was wrong."""

    end: str
    faults: int
    wrong: str = ""


@cache
def originals() -> dict[str, dict[str, Any]]:
    """Return the merged tables of every scenario of the catalogue."""
    return {name: merge(read_chain(name).layers, name)[0].data for name in catalogue.names()}


def mutated(seed: int, number: int) -> tuple[str, dict[str, Any]]:
    """Return a scenario's name and its tables after one to four mutations."""
    random = Random(f"{seed} {number}")
    name = random.choice(sorted(originals()))
    data = copy.deepcopy(originals()[name]) | {"days": 2, "warmup_days": random.choice((0, 1))}
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        _mutate(random, data)
    return name, data


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every table or list with each of its keys."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(pairs):
        yield data, key
        yield from _places(value)


def _mutate(random: Random, data: dict[str, Any]) -> None:
    """Change one place: mostly a leaf, and mostly to another value of its kind, for the rest is refused at once."""
    places = list(_places(data))
    leaves = [(table, key) for table, key in places if not isinstance(table[key], dict | list)]
    table, key = random.choice(leaves if random.random() < 0.7 else places)
    value, kind = table[key], random.random()
    if kind < 0.6 and isinstance(value, int | float) and not isinstance(value, bool):
        table[key] = type(value)(value * random.choice((0, 0.1, 0.5, 2, 10, 1000, -1)))
    elif kind < 0.6 and isinstance(value, str) and DURATION.fullmatch(value):
        table[key] = random.choice(("0 s", "1 ms", "1 s", "1 min", "59 min", "7 h", "1 d", "25 h", "3 w"))
    elif kind < 0.7 and isinstance(table, dict):
        del table[key]
    elif kind < 0.75 and isinstance(table, dict):
        named = random.choice(("", "a.b", f"{key}x", f"{key}.y", random.choice(list(table))))
        table[named] = table.pop(key)
    elif kind < 0.85:
        other, of = random.choice(places)
        table[key] = copy.deepcopy(other[of])
    elif kind < 0.9 and isinstance(value, list):
        table[key] = value[:-1] if random.random() < 0.5 else value * 2
    else:
        table[key] = copy.deepcopy(random.choice(ODD))


def tried(seed: int, number: int, *, runs: int) -> Verdict:
    """Return how a mutation ends; of the loaded ones those whose number is below ``runs`` in its thousand are run."""
    name, data = mutated(seed, number)
    try:
        scenario, found = validated(Scenario, copy.deepcopy(data), rules=cross_faults)
        if scenario is None:
            return _refused(name, found)
        if number % THOUSAND >= runs:
            return Verdict("loaded", 0)
        return _ran(scenario)
    except ScenarioFaults as refused:
        odd = [fault for fault in refused.faults if not FORM.fullmatch(fault)]
        return Verdict("wrong", 0, f"not in the form: {odd[0]}") if odd else Verdict("refused", len(refused.faults))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Verdict(
            "wrong", 0, f"{type(error).__name__}: {str(error)[:120]} ({where.filename[-40:]}:{where.lineno})"
        )


def _refused(name: str, found: list[Finding]) -> Verdict:
    sentences = [finding.sentence(name) for finding in found]
    odd = [text for text in sentences if not FORM.fullmatch(text) or "\n" in text]
    return Verdict("wrong", 0, f"not in the form: {odd[0]}") if odd else Verdict("refused", len(found))


def _ran(scenario: Scenario) -> Verdict:
    model = build(scenario)
    expected = model.expected_demand
    rows = sum(float(of.expected.sum()) for of in (expected.roots, expected.candidates, expected.posts))
    if rows > LARGEST_TICKETS:
        return Verdict("loaded", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observed = observe(model, seed=1, replication=0)
        wrong = [*_impossible(measure(observed)), *_impossible_hours(hourly(observed))]
    return Verdict("wrong", 0, wrong[0]) if wrong else Verdict("ran", 0)


def _impossible(metrics: dict[str, Any]) -> Iterator[str]:
    for name, value in metrics.items():
        if value is None or is_censored(value):
            continue
        base = name.split(".")[0]
        if not isfinite(value):
            yield f"{name} is {value}"
        elif value < 0 and base not in SIGNED:
            yield f"{name} is {value}, below 0"
        elif value > 1 + 1e-9 and base.endswith("_share") and base not in RATIOS:
            yield f"{name} is {value}, above 1"


def _impossible_hours(series: dict[tuple[str, str], Any]) -> Iterator[str]:
    for key, values in series.items():
        if (np.isinf(values).any() and not key[1].startswith("wait_p")) or (values[np.isfinite(values)] < 0).any():
            yield f"series {'.'.join(key)} is infinite or below 0"


def main() -> int:
    """Try the mutations and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutations", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=2000, help="mutations to try (default 2000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations (default 1)")
    parser.add_argument("--runs", type=int, default=THOUSAND, help="of each thousand, those that are run (default all)")
    parser.add_argument("--only", type=int, help="show one mutation, and how it ends")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default one a core)")
    options = parser.parse_args()
    if options.only is not None:
        print(*mutated(options.seed, options.only), tried(options.seed, options.only, runs=THOUSAND), sep="\n")
        return 0
    ends, n_faults, wrong = Counter[str](), 0, []
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        numbers = range(options.count)
        each = pool.map(partial(tried, options.seed, runs=options.runs), numbers, chunksize=50)
        for number, verdict in zip(numbers, each, strict=True):
            ends[verdict.end] += 1
            n_faults += verdict.faults
            if verdict.wrong:
                wrong.append(verdict.wrong)
                print(f"--only {number}: {verdict.wrong}", flush=True)
    told = ", ".join(f"{ends[end]:,} {end}" for end in ("refused", "loaded", "ran", "wrong"))
    print(f"{options.count:,} mutations from seed {options.seed}: {told}; {n_faults:,} faults told in the form")
    return 1 if wrong else 0

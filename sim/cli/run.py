"""``withstand run``, ``check`` and ``hazards``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from datetime import UTC, datetime

from sim.cli.execution import compiled_first, produced, run_folder
from sim.cli.tables import metric_table, precision_line, profile_table, progress, rows_line
from sim.experiment.analysis.expectations import Expectation, expected_text
from sim.experiment.analysis.precision import at_most
from sim.output.run_place import must_be_free
from sim.scenario import ScenarioFaults, load
from sim.scenario.loading.measured_gateway import capacity_sets
from sim.scenario.rules.notes import notes_of


def run(options: Namespace) -> int:
    """Simulate a scenario, write its folder and print its numbers; 1 when an expectation failed."""
    sets, notes = [*options.sets, *candle_sets(options)], []
    if options.candles and load(options.scenario, sets=options.sets).market is None:
        rule = "must have a table market, whose elasticities set how prices move demand (see scenarios/baseline.toml)"
        raise ScenarioFaults([f"{options.scenario}: market: got nothing; {rule}"])
    if options.capacity:
        limits, note = capacity_sets(options.capacity, options.scenario, sets)
        sets, notes = [*sets, *limits], [note]
    scenario = load(options.scenario, sets=sets)
    notes += notes_of(scenario)
    # Before the work, not after it: here a run without --out also learns that its folder is not writable.
    must_be_free(run_folder(options, datetime.now(UTC)))
    done, folder = produced(scenario, options, sets=sets, notes=notes)
    judged = done.expectations()
    if not options.quiet:
        for note in (*done.notes, *notes):
            print(f"note: {note}")
        print(metric_table(done.metrics, days=scenario.days))
        for one in judged:
            print(expectation_line(one, judged=not sets))
        if done.precision:
            print(precision_line(done.precision))
        if options.profile:
            print(profile_table(done.profile, len(done.replications)))
            print(rows_line(done.metrics))
        print(f"written: {folder} (open {folder / 'report.html'})")
    return 1 if not sets and not all(one.passed for one in judged) else 0


def candle_sets(options: Namespace) -> list[str]:
    """Return ``--candles FILE --from DATE`` as the settings that they set."""
    if (options.candles is None) != (options.begin is None):
        given, lacking = ("--candles", "--from") if options.begin is None else ("--from", "--candles")
        raise ScenarioFaults([f"command line: {lacking}: got nothing; must be given together with {given}"])
    if options.candles is None:
        return []
    return [f"market.candles={_quoted(options.candles)}", f"market.begin={_quoted(options.begin)}"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def expectation_line(one: Expectation, *, judged: bool) -> str:
    """Return an expectation and its verdict in one line."""
    verdict = ("passed" if one.passed else "FAILED") if judged else "not judged (the scenario was changed)"
    return f"expect {expected_text(one.metric, one.limit)}: {one.measured}; {verdict}"


def check(options: Namespace) -> int:
    """Check scenario files, all faults of all files at once."""
    from sim.model.model import build
    from sim.scenario.reference.provenance import missing, provenance_of

    faults: list[str] = []
    for name in options.files:
        try:
            scenario = load(name)
            market = build(scenario).market
            kinds = Counter(one.kind for one in provenance_of(name).values())
            bare = missing(name)
        except ScenarioFaults as refused:
            faults += refused.faults
            continue
        print(f"{name}: {scenario.title}: no fault")
        counted = [*(f"{kinds[kind]} {kind}" for kind in sorted(kinds)), f"{len(bare)} undocumented"]
        print(f"  numbers: {', '.join(counted)}")
        for path in bare[:5]:
            print(f"  without source or assumption: {path}")
        for note in (*market.notes, *notes_of(scenario)):
            print(f"  note: {note}")
    if faults:
        print("\n".join(faults), file=sys.stderr)
    return 2 if faults else 0


def hazard_lines(options: Namespace) -> int:
    """Print the complaint hazards that yield each category's p_public_if_unresolved, as lines to paste."""
    from sim.experiment.calibration import hazards

    scenario = load(options.scenario, sets=options.sets)
    replications = at_most(options.replications, None)
    compiled_first(quiet=options.quiet)
    with progress("calibrating", quiet=options.quiet) as bar:
        bar.begin(0, replications)
        found = hazards(scenario, replications=replications, seed=options.seed, tick=bar.tick)
    for name, hazard in found.items():
        print(f"categories.{name}.complaint_hazard_per_hour = {hazard:.5f}")
    return 0

"""Numbers on the command line: plain aligned columns, and a progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sim.core.profiling import PER_REPLICATION, CpuProfile
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.headline import HEADLINE
from sim.experiment.analysis.precision import Precision
from sim.experiment.analysis.words import TYPICAL, error_text
from sim.numerics.statistics import adjusted


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows as aligned text; the columns in ``right`` are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def metric_table(metrics: Mapping[str, Estimate], *, days: int, everything: bool = False) -> str:
    """Return the headline metrics, or all that have a value, and below them what a day's number is averaged over.

    What the futures are like stands first: the median, and the 5 to 95 % range of the replications; the error of the
    simulation stands apart.
    """
    names = list(metrics) if everything else HEADLINE
    rows = [("metric", *TYPICAL)]
    rows += [(n, str(one), error_text(one)) for n in names if (one := metrics.get(n)) and one.mean is not None]
    return f"{columns(rows)}\na day: averaged over the {days} days that are measured"


def precision_line(one: Precision) -> str:
    """Return the precision reached, in words."""
    n, wanted = one.replications, f"{100 * one.wanted:g} % wanted"
    if one.reached is None:
        why = f"of {n} replications some have no value, or one beyond the horizon, or the mean is 0"
        return f"precision: none for {one.metric} ({wanted}): {why}"
    rule = f"{wanted}, so ± {100 * adjusted(one.wanted):.3g} % of the estimate"
    words = f"precision: {one.metric} ± {100 * one.reached:.3g} % after {n} replications ({rule})"
    return words if one.met else f"{words}: NOT reached"


def rows_line(metrics: Mapping[str, Estimate]) -> str:
    """Return how many of the withdrawals are followed one by one, which is what they cost, in words."""
    share = metrics["withdrawals_individual_share"].mean
    return "withdrawals: none" if share is None else f"withdrawals followed one by one: {100 * share:.2g} % of all"


def profile_table(profile: CpuProfile, replications: int) -> str:
    """Return the time of a run: CPU seconds by stage, in total and per replication, and their shares."""
    parts = dict(profile.cpu_s) | {"start, and the rest": profile.rest_s()}
    whole = sum(parts.values())
    rows = [("where the time went", "CPU s", "ms each", "share")]
    for stage, seconds in parts.items():
        each = f"{1000 * seconds / replications:.2f}" if stage in PER_REPLICATION else ""
        rows.append((stage, f"{seconds:.2f}", each, f"{100 * seconds / whole:.1f} %"))
    rows.append(("all", f"{whole:.2f}", "", "100 %"))
    walls = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in profile.wall_s.items())
    return f"{columns(rows, right=(1, 2, 3))}\nby the clock: {walls}; {profile.workers}"


class Bar:
    """A progress bar on stderr, with the time left estimated from the new steps alone; silent when ``quiet``."""

    def __init__(self, what: str, *, quiet: bool) -> None:
        self.what, self.quiet = what, quiet
        self._bar: Any = None

    def begin(self, done: int, total: int) -> None:
        """Show the bar with the steps that were done before."""
        if not self.quiet:
            from tqdm import tqdm

            form = "{desc}: {n_fmt}/{total_fmt} [{bar:24}] {elapsed}, {remaining} left"
            self._bar = tqdm(total=total, initial=done, desc=self.what, file=sys.stderr, bar_format=form, leave=True)

    def tick(self) -> None:
        """Count a step."""
        if self._bar is not None:
            self._bar.update()

    def say(self, line: str) -> None:
        """Print a line to stderr."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Bar]:
    """Yield a bar that is closed at the end."""
    bar = Bar(what, quiet=quiet)
    try:
        yield bar
    finally:
        bar.close()

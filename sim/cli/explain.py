"""``withstand explain``: the meaning of a scenario's key or a metric, and where it acts."""

from __future__ import annotations

from argparse import Namespace

from sim.cli.tables import columns


def explain(options: Namespace) -> int:
    """Print the entry of a key or a metric; without one, every key and metric in a line."""
    from sim.output.explain import explain as entry_of
    from sim.output.explain import overview, values_of

    if options.key is None:
        print(columns(overview()))
        return 0
    entry = entry_of(options.key, values_of(options.scenario))
    print(entry.heading)
    print(columns([(f"  {label}", text) for label, text in entry.lines]))
    if entry.rows:
        print()
        print(columns(entry.rows))
    return 0

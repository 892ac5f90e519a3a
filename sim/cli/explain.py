"""``withstand explain``: the meaning of a scenario's key or a metric, and where it acts."""

from __future__ import annotations

from argparse import Namespace

from sim.cli.tables import columns


def explain(options: Namespace) -> int:
    """Print the entry of a key or a metric; without one, every key and metric in a line."""
    from sim.output.explain import explain as explained
    from sim.output.explain import overview, values_of

    if options.key is None:
        print(columns(overview()))
        return 0
    told = explained(options.key, values_of(options.scenario))
    print(told.heading)
    print(columns([(f"  {label}", text) for label, text in told.lines]))
    if told.rows:
        print()
        print(columns(told.rows))
    return 0

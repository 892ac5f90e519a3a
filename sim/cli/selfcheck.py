"""``withstand selfcheck``: the model against exact queueing answers."""

from __future__ import annotations

from argparse import Namespace

from sim.cli.execution import compiled_first
from sim.cli.tables import columns


def selfcheck(options: Namespace) -> int:
    """Print each textbook answer, the model's estimate and its z-score; 1 when one does not agree."""
    from sim.selfcheck import selfcheck as checks

    compiled_first(quiet=False)
    failed = 0
    print(columns([_row("check", "quantity", "exact", "simulated", "z", "")]))
    for result in checks():
        verdict = "ok" if result.passed else "FAILED"
        failed += not result.passed
        estimate = f"{result.estimate:.6g} ± {result.standard_error:.2g}"
        exact = f"{'>= ' if result.least else ''}{result.expected:.6g}"
        row = _row(result.name, result.quantity, exact, estimate, f"{result.z:+.2f}", verdict)
        print(columns([row]), flush=True)
    print(f"{failed} failed" if failed else "all agree: |z| < 4, and no standard error above 2 % of its answer")
    return 1 if failed else 0


def _row(*cells: str) -> tuple[str, ...]:
    widths = (32, 36, 12, 24, 6, 6)
    return tuple(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))

"""The gallery: every scenario of the catalogue on one page, and the figures of money and of the public where relevant.

``python -m sim.studies.gallery [NAME ...]`` writes ``results/gallery/<scenario>.png`` below the folder in which it is
started, all of them without a name.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from sim.api import run
from sim.core.system import displayed
from sim.output.plots import figures, overview
from sim.scenario import load
from sim.scenario.loading.catalogue import names

FOLDER = Path("results") / "gallery"
REPLICATIONS, SEED = 20, 1
DPI, COLOURS, MOST_BYTES = 100, 128, 200_000
DETAILS = {"fud_campaign": "public", "kol_amplifies": "public", "rumour_run": "money"}
"""Scenarios whose point lies in a figure of its own."""


def draw(name: str) -> list[Path]:
    """Write the pictures of a scenario and return their paths. Raises ValueError when one is too large."""
    done = run(load(name), replications=REPLICATIONS, seed=SEED)
    made = [write(overview(done.hourly, done.metrics, done.scenario), FOLDER / f"{name}.png")]
    if name in DETAILS:
        detail = figures(done.hourly, done.metrics, done.scenario)[DETAILS[name]]
        made.append(write(detail, FOLDER / f"{name}-{DETAILS[name]}.png"))
    return made


def write(figure: Figure, path: Path) -> Path:
    """Write a figure as a small PNG of few colours and return its path. Raises ValueError when it is too large."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=DPI, format="png")
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(small, format="PNG", optimize=True)
    if small.tell() > MOST_BYTES:
        raise ValueError(f"{path}: got {small.tell()} bytes; must be at most {MOST_BYTES}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small.getvalue())
    return path


def main() -> int:
    """Draw the pictures of the scenarios named, or of all, and return the exit code."""
    for scenario in sys.argv[1:] or names():
        for path in draw(scenario):
            sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(displayed(main))

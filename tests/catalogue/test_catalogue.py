"""The catalogue as a whole: each file is short, says why, and expects something that comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.scenario import load
from tests.support.paired import ran

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "scenarios").glob("*.toml"))
MANUAL, LONG = "baseline", {"volatility_spike"}
REPLICATIONS = {
    "baseline": 10,
    "quiet_week": 5,
    "rumour_run": 20,
    "volatility_spike": 2,
    "dynamic_limits": 2,
    "api_melts": 3,
    "rally_newcomers": 2,
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_story_fits_a_screen_and_says_why(file: Path) -> None:
    scenario = load(str(file))
    assert file.stem == MANUAL or 20 <= len(file.read_text(encoding="utf-8").splitlines()) <= 42
    assert len(scenario.why) > 40
    assert scenario.expect


def test_expectations_are_met_at_the_replications_of_the_pages() -> None:
    """The fault: the page's command fails the scenario's own expectation. The spike's 20 take a test too long."""
    pages = "\n".join((ROOT / page).read_text("utf-8") for page in ("README.md", "scenarios/README.md"))
    commands = re.findall(r"withstand run (\w+) --replications (\d+)$", pages, re.MULTILINE)
    assert {name for name, _ in commands} >= {"quiet_week", "rumour_run", "volatility_spike"}
    for name, number in commands:
        assert name in LONG or REPLICATIONS[name] == int(number), name


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_scenario_meets_what_it_expects(name: str) -> None:
    done = ran(name, (), REPLICATIONS.get(name, 4))
    assert not [one for one in done.expectations() if not one.passed]

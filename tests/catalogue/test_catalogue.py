"""The catalogue as a whole: each file is short, says why, and expects something that comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.scenario import load
from tests.support.paired import ran

FILES = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))
MANUAL = "baseline"
REPLICATIONS = {
    "baseline": 8,
    "rumour_run": 16,
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


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_scenario_meets_what_it_expects(name: str) -> None:
    done = ran(name, (), REPLICATIONS.get(name, 4))
    assert not [one for one in done.expectations() if not one.passed]

"""Rules that hold between the keys of a scenario."""

from __future__ import annotations

from sim.scenario.faults import Fault
from sim.scenario.rules.desk import desk_faults
from sim.scenario.rules.expectations import answer_faults, expect_faults
from sim.scenario.rules.newcomers import newcomer_faults
from sim.scenario.rules.policy import policy_faults
from sim.scenario.schema.scenario import Scenario


def cross_faults(scenario: Scenario) -> list[Fault]:
    """Return the faults that concern several keys at once."""
    return [
        *desk_faults(scenario),
        *newcomer_faults(scenario),
        *policy_faults(scenario),
        *expect_faults(scenario),
        *answer_faults(scenario),
    ]

"""A scenario made ready to run: what stays the same in all its replications."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.core.lazy import lazy_property
from sim.demand import Demand, ExpectedDemand, draw, expected_demand_of
from sim.drivers.market import MarketPath, market_in, market_of, varies
from sim.feedback import FeedbackParameters
from sim.model.feedback_parameters import feedback_parameters_of
from sim.model.measurement import Measurement, measurement_of
from sim.model.offered_load import extra_of
from sim.model.size import must_fit
from sim.numerics.streams import Streams
from sim.scenario.schema.scenario import Scenario
from sim.staffing.desk import Desk, desk_of
from sim.staffing.roster import Roster, roster_of
from sim.staffing.skills import Skills, skills_of


@dataclass(frozen=True)
class Model:
    """A scenario with its market, people and feedback parameters (None when no feedback is in use).

    ``desk`` is that of one replication (``staffed_in``), and before that one on which nobody is absent or quits.
    """

    scenario: Scenario
    market: MarketPath
    skills: Skills
    roster: Roster
    desk: Desk
    parameters: FeedbackParameters | None

    @lazy_property
    def measurement(self) -> Measurement:
        """What the metrics and series of all replications have in common."""
        return measurement_of(self.scenario, self.desk, self.market.price)

    @lazy_property
    def expected_demand(self) -> ExpectedDemand:
        """What the draws of all replications have in common; where each has its own market, that without a market."""
        return expected_demand_of(self.scenario, self.market)

    def expected_in(self, streams: Streams) -> ExpectedDemand:
        """Return the demand expected of one replication: the common one, unless it has a market of its own."""
        if not varies(self.scenario):
            return self.expected_demand
        return expected_demand_of(self.scenario, market_in(self.market, streams), self.expected_demand.paths)

    def staffed_in(self, expected: ExpectedDemand, streams: Streams) -> Model:
        """Return this model with the desk of one replication: who is absent in it, who has quit, and who is called in.

        A market of its own may call agents in or drive them out.
        """
        roster, surges = self.roster, self.desk.surges
        if self._levers_vary:
            extra = extra_of(self.scenario, expected.market, expected)
            roster, surges = roster_of(self.scenario, extra), extra.surges
        elif not roster.varies:
            return self
        return replace(self, roster=roster, desk=desk_of(roster, self.skills, surges, streams))

    @property
    def _levers_vary(self) -> bool:
        warned = any(one.surge for one in self.scenario.early_warnings.values())
        return varies(self.scenario) and (self.scenario.attrition is not None or warned)

    def demand(self, *, seed: int, replication: int, extra_draws: int = 0) -> Demand:
        """Return every draw of one replication; for ``extra_draws`` see ``draw``."""
        return draw(
            self.expected_in(Streams(seed, replication)), seed=seed, replication=replication, extra_draws=extra_draws
        )


def build(scenario: Scenario) -> Model:
    """Return the model of a scenario. Raises ScenarioFaults when its candles do not serve it, or no memory holds it."""
    market = market_of(scenario)
    extra, skills = extra_of(scenario, market), skills_of(scenario)
    roster = roster_of(scenario, extra)
    desk = desk_of(roster, skills, extra.surges)
    model = Model(scenario, market, skills, roster, desk, feedback_parameters_of(scenario))
    must_fit(model.expected_demand)
    return model

"""The part of the bench desk that Ciw can express, as a Ciw network; ``make bench`` installs Ciw.

Two nodes, four priorities without preemption, hourly rates (Ciw's ``PoissonIntervals``), lognormal service, reneging
from the first queue alone, routing by chance: the plain model's ``REDUCED`` setting. Left out are

- the shifts: where Ciw's schedule changes without preemption, agents still busy finish beside a whole new shift, so
  there are more hands after each change than on the bench desk (a quarter fewer customers left, z = 5);
- the bot: its 80 % could be a node of their own without servers, but each event makes Ciw look at every node, which
  takes it four times as long; thinning the rates is the same law, and what a user of Ciw would do;
- the complaints of those who leave, which would be counted afterwards.
"""

import math

import ciw

from tests.bench.rivals import plain_desk as desk
from tests.bench.rivals.plain_desk import REDUCED


def run(days: int, seed: int) -> tuple[int, int, int]:
    """Return the tickets handled by the front line, by the second pool, and lost, in so many days from empty."""
    ciw.seed(seed)
    simulation = ciw.Simulation(network(days))
    simulation.simulate_until_max_time(days * desk.DAY)
    kinds = [(record.node, record.record_type) for record in simulation.get_all_records()]
    return kinds.count((1, "service")), kinds.count((2, "service")), kinds.count((1, "renege"))


def network(days: int) -> ciw.network.Network:
    """Return the two nodes; a class of customers for each priority. Ciw draws all arrivals here. Time is in minutes."""
    classes = {f"priority {number}": number for number in desk.PRIORITIES}
    per_minute = REDUCED.tickets_per_day / desk.DAY / (sum(desk.PROFILE) / len(desk.PROFILE))
    hours = [(hour + 1) * desk.HOUR for hour in range(len(desk.PROFILE))]

    def arrivals(share: float) -> ciw.dists.Distribution:
        return ciw.dists.PoissonIntervals(
            [share * per_minute * weight for weight in desk.PROFILE], hours, days * desk.DAY
        )

    def handling(mean: float) -> ciw.dists.Distribution:
        return ciw.dists.Lognormal(math.log(mean) - desk.SIGMA**2 / 2, desk.SIGMA)

    routes = [[0.0, desk.ESCALATED_SHARE], [0.0, 0.0]]
    return ciw.create_network(
        number_of_servers=[REDUCED.front_agents[0], REDUCED.second_agents[0]],
        priority_classes=classes,
        arrival_distributions={
            name: [arrivals(desk.PRIORITY_SHARES[number]), None] for name, number in classes.items()
        },
        service_distributions={name: [handling(desk.FRONT_MEAN), handling(desk.SECOND_MEAN)] for name in classes},
        reneging_time_distributions={name: [ciw.dists.Exponential(1 / desk.PATIENCE_MEAN), None] for name in classes},
        routing={name: ciw.routing.TransitionMatrix(routes) for name in classes},
    )

"""The table of tickets against a world worked out by hand: two for an agent, and four that the bot ends."""

from __future__ import annotations

from sim.metrics.ticket_table import ticket_table
from tests.metrics.test_metrics import H, observed
from tests.support.stories import fixed
from tests.support.worlds import MIN, crew, demand, desk, ticket


def test_every_ticket_has_its_row_number_and_times_and_the_bot_s_come_after_the_others() -> None:
    rows = [ticket(0, H, "p"), ticket(H, H, "q", category=1, target=H)]
    d = demand(
        *rows, queues="pq", categories=("a", "b"), minutes=1440, bot_opened=[[2 * H, 5 * H], [3 * H, 24 * H - MIN]]
    )
    at = desk(crew(1, "p"), crew({0: 0}, "q"), queues="pq", horizon=24 * H)
    table = ticket_table(observed(d, at, bot={"handle": fixed("2 min")}))
    wanted = {
        # number: category, kind, bot, opened, closed, outcome, legs, queue, team, target
        0: ("a", "root", False, 0, H, "resolved", 1, "p", "t0", None),
        1: ("b", "root", False, H, None, "open", 1, "q", None, H),
        2: ("a", "root", True, 2 * H, 2 * H + 2 * MIN, "resolved", 0, None, None, None),
        3: ("a", "root", True, 5 * H, 5 * H + 2 * MIN, "resolved", 0, None, None, None),
        4: ("b", "root", True, 3 * H, 3 * H + 2 * MIN, "resolved", 0, None, None, None),
        5: ("b", "root", True, 24 * H - MIN, None, "open", 0, None, None, None),
    }
    names = ("category", "kind", "bot", "opened_ms", "closed_ms", "outcome", "legs", "queue", "team", "target_ms")
    found = {row["ticket"]: tuple(row[name] for name in names) for row in table.iter_rows(named=True)}
    assert found == wanted
    assert table["ticket"].to_list() == [0, 1, 2, 4, 3, 5]  # in order of opening
    assert table["replication"].unique().to_list() == [0]
    assert table["opened_utc"].dt.hour().to_list() == [0, 1, 2, 3, 5, 23]

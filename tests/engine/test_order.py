"""The order of things: a hand-worked timeline for each exact sentence of the engine's definition."""

from __future__ import annotations

from sim.core.clock import NEVER
from sim.demand import Demand
from sim.engine.outcome import LEFT, OPEN, RESOLVED, TURNED_AWAY, DeskOutcome, complaints_ms
from sim.engine.reference import simulate
from sim.feedback import INT_NAMES, FeedbackParameters, RailParameters, RumourParameters
from sim.feedback.columns import (
    ADMITTED_LATE,
    ADMITTED_RUMOUR,
    COMPLAINTS,
    FINAL,
    LATE_STREAM,
    N_LATE,
    N_OPEN,
    PAID,
    PAYOUT_IN,
    REQUESTS,
    REVIEWED,
    RUMOUR,
)
from sim.staffing.desk import Desk
from sim.staffing.skills import AWAY, IN_BREAK, ON_DUTY
from tests.support.worlds import MIN, Crew, Rules, candidate, chase, crew, demand, desk, path, reopening, ticket

ALWAYS = FeedbackParameters(rumour=RumourParameters(decay=1.0, threshold=-1.0, admitted_per_complaint=1.0))
ECHO = FeedbackParameters(rumour=RumourParameters(decay=0.0, threshold=0.0, admitted_per_complaint=1.0))
"""Every candidate of a minute is admitted when a complaint was made in the minute before."""


def run(
    world: Demand, at: Desk | None = None, rules: FeedbackParameters | None = None, *, at_opening: bool = False
) -> DeskOutcome:
    return simulate(world, at or desk(), rules, complain_from_opening=at_opening)


def posts(world: Demand, outcome: DeskOutcome, horizon: int = 10**6, *, at_opening: bool = False) -> list[int]:
    return complaints_ms(world, outcome, at_opening=at_opening, horizon_ms=horizon).tolist()


# --- phases -------------------------------------------------------------------------------------------------------


def test_a_slot_freed_in_an_instant_serves_who_opens_in_it() -> None:
    out = run(demand(ticket(0), ticket(10)))
    assert out.first_start_ms.tolist() == [0, 10]
    assert out.closed_ms.tolist() == [10, 20]


def test_a_slot_that_is_freed_when_its_shift_ends_serves_nobody() -> None:
    out = run(demand(ticket(0), ticket(0)), desk(crew({0: 1, 10: 0, 30: 1})))
    assert out.first_start_ms.tolist() == [0, 30]


def test_new_agents_take_who_opens_when_their_shift_begins() -> None:
    out = run(demand(ticket(10), ticket(10)), desk(crew({0: 0, 10: 2})))
    assert out.first_start_ms.tolist() == [10, 10]


def test_within_a_phase_the_row_decides_and_not_who_was_scheduled_first() -> None:
    # Rows 0 and 1 come back from their pauses when row 2 opens, at 20; one agent is left by then.
    world = demand(path(0, ("q", 5, 15), ("q", 5)), path(0, ("q", 10, 10), ("q", 5)), ticket(20))
    out = run(world, desk(crew({0: 2, 15: 1})))
    assert out.leg_start_ms.tolist() == [0, 20, 0, 25, 30]


def test_the_decision_comes_once_and_last_so_the_urgent_is_not_overtaken_within_its_instant() -> None:
    out = run(demand(ticket(0, priority=9), ticket(0, priority=0)))
    assert out.first_start_ms.tolist() == [10, 0]


def test_the_decision_waits_for_who_comes_back_without_a_pause() -> None:
    # Row 0 ends its first leg at 10 and is more urgent than row 1, which has waited since 5.
    out = run(demand(path(0, ("q", 10), ("q", 10), priority=0), ticket(5)))
    assert out.leg_start_ms.tolist() == [0, 10, 20]


def test_two_agents_who_finish_together_choose_together() -> None:
    # Team 1 likes b best and is freed by the lower row; team 0 may take b as well but prefers a.
    world = demand(ticket(0, 10, "b"), ticket(0, 10, "a"), ticket(1, 7, "b"), queues="ab")
    out = run(world, desk(crew(1, "a", "b"), crew(1, "b"), queues="ab"))
    assert out.leg_team.tolist() == [1, 0, 1]


# --- patience -----------------------------------------------------------------------------------------------------


def test_who_can_start_at_the_deadline_is_served() -> None:
    out = run(demand(ticket(0, 10), ticket(0, 10, patience=10)))
    assert out.outcome.tolist() == [RESOLVED, RESOLVED]
    assert out.first_start_ms[1] == 10


def test_who_could_start_a_millisecond_later_has_left_at_the_deadline() -> None:
    out = run(demand(ticket(0, 11), ticket(0, 10, patience=10), ticket(0, 10)))
    assert out.outcome.tolist() == [RESOLVED, LEFT, RESOLVED]
    assert out.closed_ms.tolist() == [11, 10, 21]
    assert out.first_start_ms[1] == NEVER


def test_patience_0_is_served_at_once_or_lost() -> None:
    out = run(demand(*[ticket(at, 10, patience=0) for at in (0, 0, 9, 10, 10, 15)]))
    assert out.outcome.tolist() == [RESOLVED, LEFT, LEFT, RESOLVED, LEFT, LEFT]
    assert out.closed_ms.tolist() == [10, 0, 9, 20, 10, 15]


def test_patience_is_for_the_first_leg_alone() -> None:
    out = run(demand(path(0, ("q", 5, 1), ("q", 5), patience=0), ticket(1, 20)))
    assert out.leg_start_ms.tolist() == [0, 25, 5]
    assert out.outcome.tolist() == [RESOLVED, RESOLVED]


def test_who_has_left_is_nobody_s_parent_but_may_have_asked_again() -> None:
    out = run(demand(ticket(0, 100), ticket(0, patience=20), chase(1, 30), reopening(1, 5)))
    assert out.outcome.tolist() == [RESOLVED, LEFT, RESOLVED, OPEN]
    assert out.opened_ms.tolist() == [0, 0, 30, NEVER]


def test_waiters_whose_deadline_is_before_the_horizon_are_flushed_as_left() -> None:
    at = desk(crew(0), horizon=50)
    out = run(demand(ticket(0, patience=49), ticket(0, patience=50), ticket(0)), at)
    assert out.outcome.tolist() == [LEFT, OPEN, OPEN]
    assert out.closed_ms.tolist() == [49, NEVER, NEVER]


# --- the decision -------------------------------------------------------------------------------------------------


def test_a_team_takes_its_preferred_queue_first_however_long_others_have_waited() -> None:
    world = demand(ticket(0, 10, "a"), ticket(1, 10, "b", priority=0), ticket(2, 10, "a"), queues="ab")
    out = run(world, desk(crew(1, "a", "b"), queues="ab"))
    assert out.first_start_ms.tolist() == [0, 20, 10]


def test_equal_ranks_pool_queues_by_priority_then_entry_then_row() -> None:
    rows = [
        ticket(0, 10, "a"),
        ticket(1, 10, "b"),
        ticket(1, 10, "a"),
        ticket(2, 10, "a", priority=0),
        ticket(3, 10, "b"),
    ]
    out = run(demand(*rows, queues="ab"), desk(crew(1, "ab"), queues="ab"))
    assert out.first_start_ms.tolist() == [0, 20, 30, 10, 40]


def test_the_rank_counts_before_the_priority_of_the_waiter() -> None:
    # Team 0 ranks a 0 and b 1; at the instant both wait, and b's waiter is the more urgent.
    world = demand(ticket(0, 10, "a", priority=9), ticket(0, 10, "b", priority=0), queues="ab")
    assert run(world, desk(crew(1, "a", "b"), queues="ab")).first_start_ms.tolist() == [0, 10]


def test_the_team_that_ranks_the_queue_higher_takes_before_the_one_the_queue_prefers() -> None:
    world = demand(ticket(0, 10, "a"), queues="ab")
    at = desk(crew(1, "b", "a"), crew(1, "a"), queues="ab", rules=Rules(prefers={"a": [0, 1]}))
    assert run(world, at).leg_team.tolist() == [1]


def test_the_queue_s_preference_chooses_among_teams_and_then_the_team_s_number() -> None:
    teams = (crew(1), crew(1), crew(1))
    assert run(demand(ticket(0)), desk(*teams)).leg_team.tolist() == [0]
    prefers = desk(*teams, rules=Rules(prefers={"q": [2]}))
    assert run(demand(*[ticket(0)] * 3), prefers).leg_team.tolist() == [2, 0, 1]


def test_the_first_waiter_counts_before_the_preference() -> None:
    # At 10 only team 1 is free; at 0 the pairs (team 0, b's urgent waiter) come before (team 1, a's).
    world = demand(ticket(0, 10, "a", priority=9), ticket(0, 10, "b", priority=0), queues="ab")
    at = desk(crew(1, "ab"), crew(1, "a"), queues="ab", rules=Rules(prefers={"a": [0, 1], "b": [0]}))
    assert run(world, at).leg_team.tolist() == [1, 0]


def test_an_unskilled_team_stays_idle() -> None:
    out = run(demand(ticket(0, 10, "b"), queues="ab"), desk(crew(1, "a"), queues="ab", horizon=50))
    assert out.outcome.tolist() == [OPEN]


# --- queues -------------------------------------------------------------------------------------------------------


def test_waiters_stand_by_priority_then_entry_then_row() -> None:
    rows = [ticket(0, 10), ticket(1, 10, priority=6), ticket(2, 10), ticket(2, 10), ticket(3, 10, priority=4)]
    assert run(demand(*rows)).first_start_ms.tolist() == [0, 40, 20, 30, 10]


def test_a_returning_ticket_stands_behind_those_who_entered_the_queue_before_it() -> None:
    out = run(demand(path(0, ("q", 10, 5), ("q", 10)), ticket(1, 10), ticket(14, 10), ticket(16, 10)))
    assert out.leg_start_ms.tolist() == [0, 30, 10, 20, 40]


def test_a_child_does_not_starve_behind_later_roots() -> None:
    out = run(demand(ticket(0, 5), ticket(1, 20), ticket(20, 10), reopening(0, 5)))
    assert out.first_start_ms.tolist() == [0, 5, 35, 25]
    assert out.opened_ms[3] == 10


# --- complaints ---------------------------------------------------------------------------------------------------


def test_the_timer_posts_unless_the_ticket_is_resolved_and_closing_in_its_instant_prevents_it() -> None:
    # The target passes unanswered at 5, so the clock runs from 5 on; rows 0 and 1 are closed at 15 and 25.
    rows = [ticket(0, 10, target=50), ticket(0, 10, target=5, complain=14), ticket(0, 10, target=5, complain=15),
            ticket(0, 10, target=5, complain=35)]  # fmt: skip
    world = demand(*rows)
    out = run(world)
    assert out.closed_ms.tolist() == [10, 20, 30, 40]
    assert posts(world, out) == [NEVER, 19, 20, NEVER]


def test_a_first_answer_at_the_target_is_in_time() -> None:
    world = demand(ticket(0, 10), ticket(0, 100, target=10, complain=1), ticket(0, 100, target=9, complain=200))
    out = run(world, desk(crew(2)))
    assert posts(world, out) == [NEVER, NEVER, NEVER]
    late = demand(ticket(0, 10), ticket(0, 100, target=9, complain=1))
    assert posts(late, run(late)) == [NEVER, 10]


def test_the_clock_starts_when_the_first_handling_ends_with_more_to_come() -> None:
    world = demand(path(0, ("q", 10, 50), ("q", 10), target=5, complain=20), ticket(100, target=5, complain=1))
    assert posts(world, run(world)) == [30, NEVER]


def test_who_left_is_unresolved_and_may_post() -> None:
    world = demand(ticket(0, 100), ticket(0, patience=20, complain=500), ticket(0, patience=20, target=5, complain=7))
    assert posts(world, run(world)) == [NEVER, 520, 12]


def test_with_the_clock_at_opening_every_unresolved_ticket_may_post() -> None:
    world = demand(ticket(0, 10, complain=9), ticket(20, 10, complain=10))
    assert posts(world, run(world), at_opening=True) == [9, NEVER]


def test_no_complaint_at_or_after_the_horizon() -> None:
    world = demand(ticket(0, complain=49), ticket(0, complain=50))
    out = run(world, desk(crew(0), horizon=50))
    assert posts(world, out, 50, at_opening=True) == [49, NEVER]


# --- children -----------------------------------------------------------------------------------------------------


def test_a_reopening_counts_from_the_resolution_and_a_chase_from_the_opening() -> None:
    out = run(demand(ticket(0, 50), reopening(0, 7), chase(0, 20)))
    assert out.opened_ms.tolist() == [0, 57, 20]
    assert out.first_start_ms.tolist() == [0, 60, 50]


def test_a_chase_opens_unless_its_parent_is_resolved_then() -> None:
    out = run(demand(ticket(0, 50), chase(0, 50)))
    assert out.opened_ms.tolist() == [0, NEVER]
    assert run(demand(ticket(0, 50), chase(0, 49))).opened_ms.tolist() == [0, 49]


def test_a_child_of_a_ticket_that_never_opened_never_opens() -> None:
    rows = [ticket(0), candidate(MIN, 0.5), chase(1, 1), reopening(1, 1), chase(3, 1)]
    out = run(demand(*rows, minutes=3), desk(horizon=3 * MIN), ECHO)
    assert out.opened_ms.tolist() == [0, NEVER, NEVER, NEVER, NEVER]


def test_children_have_children() -> None:
    out = run(demand(ticket(0, 10), reopening(0, 5), reopening(1, 5), chase(2, 5)))
    assert out.opened_ms.tolist() == [0, 15, 30, 35]


# --- live levels --------------------------------------------------------------------------------------------------


def test_the_tick_counts_the_complaints_of_the_minute_before_it_and_comes_before_the_openings() -> None:
    # Complaints at the last ms of minute 0, at the first of minute 1, and in minute 2.
    ends = (MIN - 1, MIN, 2 * MIN)
    world = demand(*[ticket(0, complain=at) for at in ends], candidate(MIN, 0.5), candidate(4 * MIN, 0.5), minutes=5)
    out = run(world, desk(crew(0), horizon=5 * MIN), ECHO, at_opening=True)
    assert out.feedback_ints[COMPLAINTS].tolist() == [0, 1, 1, 1, 0]
    assert out.feedback_floats[RUMOUR].tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert out.opened_ms[3:].tolist() == [MIN, NEVER]


def test_what_is_closed_in_the_tick_s_instant_has_not_complained_in_it() -> None:
    # Both would post in the last ms of minute 0 and at its end; the second is closed at that instant.
    world = demand(ticket(0, MIN, complain=MIN - 1), ticket(0, MIN, complain=MIN), minutes=3)
    out = run(world, desk(crew(2), horizon=3 * MIN), ECHO, at_opening=True)
    assert out.feedback_ints[COMPLAINTS].tolist() == [0, 1, 0]


def test_a_level_admits_the_marks_under_it_for_its_whole_minute() -> None:
    rules = FeedbackParameters(rumour=RumourParameters(decay=0.0, threshold=0.0, admitted_per_complaint=0.5))
    marks = [(MIN, 0.0), (MIN + 59_999, 0.49), (MIN + 59_999, 0.5), (2 * MIN, 0.0)]
    rows = [ticket(0, complain=1), *[candidate(at, mark) for at, mark in marks]]
    out = run(demand(*rows, minutes=4), desk(crew(0), horizon=4 * MIN), rules, at_opening=True)
    assert out.opened_ms[1:].tolist() == [MIN, MIN + 59_999, NEVER, NEVER]


def test_a_level_above_1_admits_all() -> None:
    rows = [*[ticket(0, complain=1)] * 3, candidate(MIN, 0.9), candidate(MIN, 0.9, stream=LATE_STREAM)]
    out = run(demand(*rows, minutes=2), desk(crew(0), horizon=2 * MIN), ECHO, at_opening=True)
    assert out.opened_ms[3:].tolist() == [MIN, NEVER]


def test_without_rules_there_is_no_minute_and_no_candidate() -> None:
    out = run(demand(ticket(0), candidate(0, 0.0), minutes=2), desk(horizon=2 * MIN))
    assert out.opened_ms.tolist() == [0, NEVER]
    assert out.feedback_ints.shape == (len(INT_NAMES), 0)


def test_the_withdrawal_pipeline_by_hand() -> None:
    """4 counted ones and 2 that are reviewed in minute 0, which tick 1 takes; one in minute 1.

    Every other tick reviews one, 1, 3 and 5; at tick 1 nobody stands there yet. Two are paid a tick, final 2 minutes
    later. Late from 2 minutes after the acceptance on: at tick 3 the 6 of tick 1 but for the 2 that are final, at tick
    4 the 7 but for 4, at 5 and 6 the one that was reviewed last.
    """
    rails = (RailParameters(payouts_per_minute=2.0, final_minutes=2),)
    rules = FeedbackParameters(
        reviews_per_minute=0.5, rails=rails, promise_minutes=2, late_admitted_per_withdrawal=0.25
    )
    world = demand(ticket(0), minutes=8, automatic=[4, 1], review=[2])
    out = run(world, desk(horizon=8 * MIN), rules)
    (rail,) = out.feedback_rails
    assert out.feedback_ints[REQUESTS].tolist() == [0, 6, 1, 0, 0, 0, 0, 0]
    assert rail[REVIEWED].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert rail[PAYOUT_IN].tolist() == [0, 4, 5, 6, 6, 7, 7, 7]
    assert rail[PAID].tolist() == [0, 2, 4, 6, 6, 7, 7, 7]
    assert rail[FINAL].tolist() == [0, 0, 0, 2, 4, 6, 6, 7]
    assert out.feedback_ints[N_OPEN].tolist() == [0, 6, 7, 5, 3, 1, 1, 0]
    assert out.feedback_ints[N_LATE].tolist() == [0, 0, 0, 4, 3, 1, 1, 0]
    assert out.feedback_floats[ADMITTED_LATE].tolist() == [0.0, 0.0, 0.0, 1.0, 0.75, 0.25, 0.25, 0.0]
    assert out.feedback_floats[ADMITTED_RUMOUR].tolist() == [0.0] * 8


def test_lateness_is_that_of_a_line_served_first_come_first_served() -> None:
    """Against each withdrawal followed one by one; what a tick could have paid and nobody asked for is lost."""
    arrivals = [5, 0, 7, 3, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0]
    rules = FeedbackParameters(
        reviews_per_minute=1.0, rails=(RailParameters(payouts_per_minute=1.75),), promise_minutes=3
    )
    out = run(demand(ticket(0), minutes=15, automatic=arrivals), desk(horizon=15 * MIN), rules)
    line: list[int] = []
    late = []
    for tick, came in enumerate([0, *arrivals[:-1]]):
        line += [tick] * came
        line = line[int((tick + 1) * 1.75) - int(tick * 1.75) :]
        late.append(sum(tick - since >= 3 for since in line))
    assert out.feedback_ints[N_LATE].tolist() == late
    assert max(late) > 3


# --- shifts -------------------------------------------------------------------------------------------------------


def test_nobody_is_cut_off_and_who_has_gone_takes_nothing_more() -> None:
    rows = [ticket(0, 30), ticket(0, 20), ticket(5, 10)]
    out = run(demand(*rows), desk(crew({0: 2, 10: 1})))
    assert out.closed_ms.tolist() == [30, 20, 40]  # at 20 the second agent has gone: row 2 waits for the first


def test_who_comes_back_still_holds_what_he_held() -> None:
    at = desk(crew([[(0, ON_DUTY, 10**6), (5, AWAY, 10**6), (10, ON_DUTY, 10**6)]]))
    assert run(demand(ticket(0, 20), ticket(1, 10)), at).leg_start_ms.tolist() == [0, 20]


def test_a_second_change_counts_from_what_is_busy_then() -> None:
    out = run(demand(*[ticket(0, 30)] * 3, *[ticket(1, 5)] * 2), desk(crew({0: 3, 10: 0, 20: 4})))
    assert out.first_start_ms.tolist() == [0, 0, 0, 20, 25]


# --- concurrency --------------------------------------------------------------------------------------------------


def test_tickets_in_one_hand_share_it_and_all_change_speed_when_one_begins_or_ends() -> None:
    at = desk(crew(1, holds=2, stretch=(1000, 1250)))
    out = run(demand(ticket(0, 100), ticket(20, 100), ticket(30, 8)), at)
    # Alone up to 20; then both at 0.8: the first ends at 120 and the third begins; that at 130, and the second at 150.
    assert out.leg_start_ms.tolist() == [0, 20, 120]
    assert out.leg_end_ms.tolist() == [120, 142, 130]


def test_three_at_once_end_at_once_and_a_fourth_has_the_hand_to_itself() -> None:
    at = desk(crew(1, holds=3, stretch=(1000, 1500, 2000)))
    out = run(demand(*[ticket(0, 10)] * 3, ticket(0, 7)), at)
    assert out.leg_end_ms.tolist() == [20, 20, 20, 27]
    assert out.leg_start_ms.tolist() == [0, 0, 0, 20]


def test_work_that_does_not_divide_ends_at_the_next_millisecond() -> None:
    at = desk(crew(1, holds=2, stretch=(1000, 1001)))
    assert run(demand(ticket(0, 10), ticket(0, 20)), at).leg_end_ms.tolist() == [
        11,
        21,
    ]  # 10.01 of 20 left: 10.01 + 10.0


def test_an_e_mail_needs_an_empty_hand_and_fills_it() -> None:
    at = desk(crew(1, "cm", holds={"c": 2, "m": 1}), queues="cm")
    out = run(demand(ticket(0, 10, "c"), ticket(1, 10, "m"), ticket(2, 10, "c"), ticket(3, 10, "c"), queues="cm"), at)
    # The second chat is taken beside the first; the mail waits for an empty hand, which the third chat does not leave.
    assert out.leg_start_ms.tolist() == [0, 20, 2, 10]
    other = run(demand(ticket(0, 10, "m"), ticket(1, 10, "c"), queues="cm"), at)
    assert other.leg_start_ms.tolist() == [0, 10]


def test_a_ticket_goes_to_who_has_the_fewest_in_hand_then_to_the_lowest_number() -> None:
    at = desk(crew(3, holds=2))
    out = run(demand(ticket(0, 50), ticket(1, 10), ticket(2, 50), ticket(12, 5), ticket(13, 5), ticket(14, 5)), at)
    assert out.leg_agent.tolist() == [0, 1, 2, 1, 0, 1]


def test_who_learns_works_slower_and_changes_speed_when_he_has_learnt() -> None:
    at = desk(crew([[(0, ON_DUTY, 500_000), (10, ON_DUTY, 10**6)]]))
    assert run(demand(ticket(0, 10), ticket(0, 10)), at).leg_end_ms.tolist() == [15, 25]


def test_in_a_break_nothing_is_taken_and_what_is_in_hand_goes_on() -> None:
    at = desk(crew([[(0, ON_DUTY, 10**6), (5, IN_BREAK, 10**6), (20, ON_DUTY, 10**6)]]))
    assert run(demand(ticket(0, 10), ticket(1, 10)), at).leg_start_ms.tolist() == [0, 20]


def test_each_agent_takes_a_first_ticket_before_any_takes_a_second() -> None:
    at = desk(crew(2, holds=2, stretch=(1000, 3000)))
    out = run(demand(*[ticket(0, 10)] * 4), at)
    assert out.leg_agent.tolist() == [0, 1, 0, 1]
    assert out.leg_end_ms.tolist() == [31, 31, 31, 31]  # at a speed of 333,333 millionths


def test_the_agents_on_duty_count_and_not_those_who_have_gone() -> None:
    at = desk(crew({0: 2, 5: 1}, holds=2, stretch=(1000, 3000)))
    out = run(demand(ticket(0, 100), ticket(0, 100), ticket(5, 10)), at)
    assert out.leg_agent.tolist() == [0, 1, 0]
    assert out.leg_end_ms.tolist() == [121, 100, 36]


# --- age ----------------------------------------------------------------------------------------------------------


def test_an_aged_ticket_gains_priority_and_keeps_its_place_by_entry() -> None:
    rows = [ticket(0, 30), ticket(1, 10), ticket(2, 10, priority=2), ticket(3, 10, priority=2)]
    out = run(demand(*rows), desk(rules=Rules(ages={"q": [(20, 2)]})))
    assert out.first_start_ms.tolist() == [0, 30, 40, 50]


def test_age_never_makes_a_priority_worse() -> None:
    rows = [ticket(0, 30), ticket(1, 10, priority=0), ticket(2, 10, priority=1)]
    out = run(demand(*rows), desk(rules=Rules(ages={"q": [(20, 2)]})))
    assert out.first_start_ms.tolist() == [0, 30, 40]


def test_age_acts_in_the_opening_phase_so_it_counts_in_the_decision_of_its_instant() -> None:
    rows = [ticket(0, 21), ticket(1, 10), ticket(2, 10, priority=2)]
    at = desk(rules=Rules(ages={"q": [(20, 1)]}))
    assert run(demand(*rows), at).first_start_ms.tolist() == [0, 21, 31]
    sooner = [ticket(0, 20), *rows[1:]]
    assert run(demand(*sooner), at).first_start_ms.tolist() == [0, 30, 20]


def test_a_ticket_that_moves_to_another_queue_enters_it_then() -> None:
    world = demand(ticket(0, 10, "a"), ticket(5, 100, "b"), ticket(6, 10, "b"), ticket(20, 10, "b"), queues="ab")
    at = desk(crew(0, "a"), crew(1, "b"), queues="ab", rules=Rules(ages={"a": [(15, "b")]}))
    out = run(world, at)
    assert out.first_start_ms.tolist() == [115, 5, 105, 125]
    assert out.leg_queue[0] == 1
    assert out.leg_entered_ms[0] == 0  # when it first entered a queue


def test_a_ticket_that_has_started_does_not_age() -> None:
    world = demand(path(0, ("a", 30), ("a", 10)), queues="ab")
    out = run(world, desk(crew(1, "a"), queues="ab", rules=Rules(ages={"a": [(20, "b")]})))
    assert out.leg_start_ms.tolist() == [0, 30]


def test_impatience_moves_a_chat_to_the_inbox_and_it_waits_there_without_end() -> None:
    world = demand(ticket(0, 10, "a", patience=20), ticket(0, 90, "b"), queues="ab")
    at = desk(crew(0, "a"), crew(1, "b"), queues="ab", rules=Rules(then={"a": "b"}))
    out = run(world, at)
    assert out.moved_ms.tolist() == [20, NEVER]
    assert out.first_start_ms.tolist() == [90, 0]
    assert out.outcome.tolist() == [RESOLVED, RESOLVED]


def test_a_moving_chat_is_decided_on_in_its_new_queue_within_the_instant() -> None:
    world = demand(ticket(0, 20, "a"), ticket(0, 10, "a", patience=20), queues="ab")
    at = desk(crew(1, "a"), crew(1, "b"), queues="ab", rules=Rules(then={"a": "b"}))
    out = run(world, at)
    assert out.first_start_ms.tolist() == [0, 20]
    assert out.leg_team.tolist() == [0, 1]


def test_who_has_left_does_not_grow_old() -> None:
    """The patience ended at 5; at 20 nobody is there to be moved, whether or not anyone has looked at the queue."""
    world = demand(ticket(0, 10, "a", patience=5), queues="ab")
    for served in (0, 1):
        at = desk(crew(0, "a"), crew(served, "b"), queues="ab", rules=Rules(ages={"a": [(20, "b")]}))
        out = run(world, at)
        assert out.outcome.tolist() == [LEFT]
        assert out.closed_ms.tolist() == [5]
        assert out.leg_start_ms.tolist() == [NEVER]
        assert out.leg_queue.tolist() == [0]


def test_who_moves_and_starts_at_once_stands_in_the_old_queue_no_longer() -> None:
    world = demand(ticket(0, 50, "a"), queues="ab")
    at = desk(crew({0: 0, 25: 1}, "a"), crew(1, "b"), queues="ab", rules=Rules(ages={"a": [(20, "b")]}))
    out = run(world, at)
    assert out.leg_start_ms.tolist() == [20]
    assert out.leg_team.tolist() == [1]
    assert out.closed_ms.tolist() == [70]


def test_a_queue_s_own_patience_holds_for_who_was_moved_into_it_from_then_on() -> None:
    rules = Rules(then={"a": "b"})
    for work, outcome, closed in ((35, RESOLVED, 45), (36, LEFT, 35)):  # who can start at the deadline is served
        rows = [ticket(0, 10, "a", patience=20, moved={"b": 15}), ticket(0, work, "b")]
        out = run(demand(*rows, queues="ab"), desk(crew(0, "a"), crew(1, "b"), queues="ab", rules=rules))
        assert out.moved_ms.tolist() == [20, NEVER]
        assert out.outcome.tolist() == [outcome, RESOLVED]
        assert out.closed_ms.tolist() == [closed, work]


def test_age_too_leaves_the_old_queue_s_patience_behind() -> None:
    at = desk(crew(0, "ab"), queues="ab", rules=Rules(ages={"a": [(15, "b")]}), horizon=100)
    rows = [
        ticket(0, 10, "a", patience=60, moved={"b": 7}),
        ticket(0, 10, "a", patience=60),
        ticket(1, 10, "a", patience=9),
    ]
    out = run(demand(*rows, queues="ab"), at)
    assert out.outcome.tolist() == [LEFT, OPEN, LEFT]
    assert out.closed_ms.tolist() == [22, NEVER, 10]


def test_impatience_moves_on_from_queue_to_queue() -> None:
    rows = [ticket(0, 10, "a", patience=20, moved={"b": 5, "c": 9})]
    at = desk(crew(0, "abc"), queues="abc", rules=Rules(then={"a": "b", "b": "c"}))
    out = run(demand(*rows, queues="abc"), at)
    assert out.moved_ms.tolist() == [20]
    assert out.closed_ms.tolist() == [34]


def test_no_ticket_goes_round_in_a_circle_of_impatience() -> None:
    """At 1 to b, at 2 back to a, and there it stays: each queue moves it once."""
    rows = [
        ticket(0, 10, "a", patience=0, moved={"a": 0, "b": 0}),
        ticket(40, 10, "b", patience=0, moved={"a": 0, "b": 0}),
    ]
    at = desk(crew({0: 0, 50: 1}, "a"), crew(0, "b"), queues="ab", rules=Rules(then={"a": "b", "b": "a"}))
    out = run(demand(*rows, queues="ab"), at)
    assert out.moved_ms.tolist() == [1, 41]
    assert out.leg_queue.tolist() == [0, 1]
    assert out.first_start_ms.tolist() == [50, NEVER]  # the second goes to a at 41, and from there to b at 42


def test_after_the_first_answer_no_queue_has_a_patience() -> None:
    rows = [path(0, ("a", 5), ("a", 5), patience=9, moved={"b": 1})]
    at = desk(crew({0: 1, 5: 0}, "a"), crew(0, "b"), queues="ab", rules=Rules(ages={"a": [(10, "b")]}), horizon=99)
    out = run(demand(*rows, queues="ab"), at)
    assert out.leg_queue.tolist() == [0, 1]
    assert out.outcome.tolist() == [OPEN]


def test_a_complaint_follows_the_deadline_of_the_queue_that_the_ticket_is_in() -> None:
    """It would be due at 3 min + 1; moved at 1 min, the customers leave at 5 min, at 2 min, and never."""
    patience = [{"b": 4 * MIN}, {"b": MIN}, {}]
    rows = [ticket(0, 10, "a", patience=3 * MIN, complain=MIN, moved=moved) for moved in patience]
    world = demand(*rows, queues="ab", minutes=9)
    at = desk(crew(0, "ab"), queues="ab", rules=Rules(ages={"a": [(MIN, "b")]}), horizon=9 * MIN)
    out = run(world, at, ECHO)
    assert posts(world, out, 9 * MIN) == [6 * MIN, 3 * MIN, NEVER]
    assert out.feedback_ints[COMPLAINTS].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0]


# --- places -------------------------------------------------------------------------------------------------------


def room(places: int, *crews: Crew) -> Desk:
    return desk(*crews, rules=Rules(places={"q": places}))


def test_who_comes_when_all_places_are_taken_is_turned_away() -> None:
    out = run(demand(ticket(0), ticket(1), ticket(2), ticket(11)), room(1))
    assert out.outcome.tolist() == [RESOLVED, RESOLVED, TURNED_AWAY, RESOLVED]
    assert out.closed_ms.tolist() == [10, 20, 2, 30]
    assert out.first_start_ms[2] == NEVER


def test_without_a_place_who_can_start_at_once_is_served() -> None:
    out = run(demand(ticket(0), ticket(10), ticket(15), ticket(20)), room(0))
    assert out.outcome.tolist() == [RESOLVED, RESOLVED, TURNED_AWAY, RESOLVED]


def test_of_those_who_come_at_once_the_highest_rows_are_turned_away_and_nobody_is_driven_out() -> None:
    rows = [ticket(0), ticket(1, priority=9), *[ticket(2, priority=0)] * 3]
    out = run(demand(*rows), room(2))
    assert out.outcome.tolist() == [RESOLVED, RESOLVED, RESOLVED, TURNED_AWAY, TURNED_AWAY]
    assert out.first_start_ms.tolist() == [0, 20, 10, NEVER, NEVER]


def test_who_is_called_in_the_instant_gives_his_place_and_who_loses_patience_in_it_does_not() -> None:
    out = run(demand(ticket(0, 10), ticket(1, 10), ticket(10, 10)), room(1))
    assert out.first_start_ms.tolist() == [0, 10, 20]
    out = run(demand(ticket(0, 50), ticket(1, patience=5), ticket(6), ticket(7)), room(1))
    assert out.outcome.tolist() == [RESOLVED, LEFT, TURNED_AWAY, RESOLVED]


def test_who_has_been_answered_is_not_turned_away_but_takes_a_place() -> None:
    rows = [path(0, ("q", 5), ("q", 5)), path(0, ("q", 5), ("q", 5)), ticket(6)]
    out = run(demand(*rows), room(1, crew({0: 2, 5: 0, 50: 1})))
    assert out.leg_start_ms.tolist() == [0, 50, 0, 55, NEVER]
    assert out.outcome.tolist() == [RESOLVED, RESOLVED, TURNED_AWAY]
    assert out.closed_ms[2] == 6


def test_who_is_moved_to_a_full_queue_is_turned_away_there() -> None:
    at = desk(crew(0, "ab"), queues="ab", rules=Rules(then={"a": "b"}, places={"b": 1}))
    out = run(demand(ticket(0, 10, "a", patience=5), ticket(1, 10, "b"), queues="ab"), at)
    assert out.outcome.tolist() == [TURNED_AWAY, OPEN]
    assert out.closed_ms.tolist() == [5, NEVER]
    assert out.moved_ms.tolist() == [5, NEVER]
    assert out.leg_queue.tolist() == [1, 1]


def test_who_is_turned_away_does_what_who_left_does() -> None:
    """He asks again, is never reopened, and his complaint clock starts: at once, or before, under the target."""
    rows = [ticket(0, 5 * MIN), ticket(MIN, complain=MIN), ticket(MIN, complain=5 * MIN, target=0), chase(1, 2 * MIN),
            reopening(1, 1)]  # fmt: skip
    world = demand(*rows, minutes=9)
    out = run(world, desk(horizon=9 * MIN, rules=Rules(places={"q": 0})), ECHO)
    assert out.outcome.tolist() == [RESOLVED, TURNED_AWAY, TURNED_AWAY, TURNED_AWAY, OPEN]
    assert out.opened_ms.tolist() == [0, MIN, MIN, 3 * MIN, NEVER]
    assert posts(world, out, 9 * MIN) == [NEVER, 2 * MIN, 6 * MIN, NEVER, NEVER]
    assert out.feedback_ints[COMPLAINTS].tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0]


# --- the horizon --------------------------------------------------------------------------------------------------


def test_what_is_due_at_the_horizon_does_not_happen() -> None:
    out = run(demand(ticket(0, 50), ticket(10, 49), ticket(50)), desk(crew(2), horizon=50))
    assert out.closed_ms.tolist() == [NEVER, NEVER, NEVER]
    assert out.opened_ms.tolist() == [0, 10, NEVER]
    assert run(demand(ticket(0, 49)), desk(horizon=50)).closed_ms.tolist() == [49]


def test_a_demand_without_tickets_runs() -> None:
    assert len(run(demand()).opened_ms) == 0
    out = run(demand(candidate(MIN, 0.0), minutes=2), desk(horizon=2 * MIN), ALWAYS)
    assert out.opened_ms.tolist() == [MIN]


def test_a_timeline_with_everything_in_it() -> None:
    """A pause, who is served at the deadline, who is not a millisecond after it, a reopening, a shift that ends."""
    world = demand(
        path(0, ("q", 10, 30), ("q", 10)), ticket(0, 25, patience=10), ticket(4, 5, patience=30), reopening(0, 5)
    )
    out = run(world, desk(crew({0: 1, 45: 0, 60: 1}), horizon=100))
    assert out.opened_ms.tolist() == [0, 0, 4, 55]
    assert out.leg_start_ms.tolist() == [0, 40, 10, NEVER, 60]
    assert out.closed_ms.tolist() == [50, 35, 34, 70]
    assert out.outcome.tolist() == [RESOLVED, RESOLVED, LEFT, RESOLVED]

"""Faults planted in the withdrawal pipeline, those among them that counts and shares of mixtures once made.

``python -m tests.tools.planted`` prints after how many worlds each is noticed.
"""

from __future__ import annotations

from tests.tools.planting import Change, Fault

GATES, PAYOUT, SCREENING, ROWS, REQUESTS, STEPS, LINES = (
    *(f"feedback/pipeline/{name}" for name in ("gates", "payout", "screening", "rows", "requests")),
    "feedback/withdrawals",
    "feedback/mechanisms/lines",
)


def in_file(file: str, *faults: tuple[str, str, str]) -> tuple[Fault, ...]:
    """Return faults of one file: a name, the text that stands in it once, and what takes its place."""
    return tuple(Fault(name, (Change(file, old, new),)) for name, old, new in faults)


MIXTURES = (
    *in_file(
        PAYOUT,
        (
            "capacity is saved up while a wallet is dry",
            "able, short = capacity(row - 1, lv.rail_ints[r, BATCH], lv.payouts[r]), False",
            "able, short = int(row * lv.payouts[r]) - rails[row, r, PAID], False",
        ),
        (
            "a wallet is short at the ticks of a batch alone",
            "need > hot and not lv.closed[r, row - 1]",
            "need > hot and not lv.closed[r, row - 1] and (row - 1) % lv.rail_ints[r, BATCH] == 0",
        ),
    ),
    *in_file(
        GATES,
        (
            "the reviewed escape every limit",
            "if lv.drawn_rows[i, ROW_CENTS] <= numbers.limits_cents or",
            "if lv.drawn_rows[i, ROW_FLAGS] & 1 or lv.drawn_rows[i, ROW_CENTS] <= numbers.limits_cents or",
        ),
        (
            "the reviewed escape the gateway",
            "if mark_of(lv, i, AT_GATEWAY) >= share:",
            "if lv.drawn_rows[i, ROW_FLAGS] & 1 or mark_of(lv, i, AT_GATEWAY) >= share:",
        ),
        (
            "who comes back passes the limit",
            "<= numbers.limits_cents or",
            "<= numbers.limits_cents or lv.rows[i, ATTEMPT] > 1 or",
        ),
        (
            "the failed of a cohort take its mean amount, rounded down",
            "lost = portion(cents, failed, n)",
            "lost = cents // n * failed",
        ),
        (
            "money is silently clipped at limits, min(some, all)",
            "            _lose(lv, row, i, LOST_AT_LIMIT)\n",
            "            _lose(lv, row, i, LOST_AT_LIMIT)\n"
            "            r = lv.drawn_rows[i, ROW_RAIL]\n"
            "            lv.rails[row, r, LOST_C] -= max(lv.drawn_rows[i, ROW_CENTS] - lv.counted[r, :, 1].sum(), 0)\n",
        ),
        (
            "money is silently clipped at bans, min(some, all)",
            "lv.rails[row, r, LOST_C] += lv.counted[r, FORBIDDEN, 1]",
            "lv.rails[row, r, LOST_C] += min(lv.counted[r, FORBIDDEN, 1], lv.counted[r, :FORBIDDEN, 1].sum())",
        ),
        ("codes do not load the gateway", "(1.0 + numbers.gateway_codes_per_request)", "1.0"),
        ("tickets do not load the gateway", "+ tickets + open_tickets", "+ open_tickets"),
        ("views do not load the gateway", "open_tickets * numbers.gateway_views_per_open", "0.0"),
        ("other endpoints do not load the gateway", "load += lv.exogenous[OTHERS, row - 2]\n", "load += 0.0\n"),
        ("newcomers do not load the gateway", "* lv.floats[row - 1, ADMITTED_SIGNUP]", "* 0.0"),
        ("polls do not load the gateway", "* numbers.gateway_polls_per_open", "* 0.0"),
    ),
    Fault(
        "lateness restarts after the review",
        (
            Change(STEPS, "    COUNTED_IN,\n", "    COUNTED_IN,\n    ENTERED,\n"),
            Change(STEPS, "if lv.rows[i, ACCEPTED] +", "if max(lv.rows[i, ENTERED] - 1, 0) +"),
        ),
    ),
    *in_file(
        STEPS,
        ("the held are never late", "(IN_REVIEW, ON_HOLD, IN_LINE, ON_CHAIN)", "(IN_REVIEW, IN_LINE, ON_CHAIN)"),
    ),
    *in_file(
        REQUESTS,
        ("a closure closes nothing", "if lv.request_tick[row - 1] > row - 1:", "if False:"),
    ),
)
"""What a pipeline of counts and shares of mixtures did wrong."""

OTHERS = (
    *in_file(
        STEPS,
        (
            "lateness begins a minute late",
            "+ lv.numbers[0].promise_minutes > minute:",
            "+ lv.numbers[0].promise_minutes >= minute:",
        ),
        (
            "the counted are late a minute late",
            "before = row - numbers.promise_minutes",
            "before = row - numbers.promise_minutes - 1",
        ),
        (
            "rows are final among the counted",
            "lv.rails[row, r, FINAL] - lv.rails[row, r, ROWS_FINAL]",
            "lv.rails[row, r, FINAL]",
        ),
        ("announcements have no effect", "quiet = 1.0 - lv.exogenous[QUIET_LATE, row - 1]", "quiet = 1.0"),
    ),
    *in_file(
        PAYOUT,
        ("a paused rail pays", "> rails[row, r, PAID] and not lv.closed[r, row - 1]:", "> rails[row, r, PAID]:"),
        (
            "a wallet pays what it has not",
            "if lv.rail_ints[r, HAS_WALLET] and portion(cents, paid, n) > hot:",
            "if False:",
        ),
        ("a wallet pays a row that it cannot", "if lv.rail_ints[r, HAS_WALLET] and cents > hot:", "if False:"),
        ("a wallet pays one less than it could", "((hot + 1) * n - 1) // cents, True", "hot * n // cents, True"),
        ("rows overtake the counted", "ENTERED] < minute:", "ENTERED] <= minute:"),
        ("rows stand in line as they come", "    sort(lv.entering, lv.places[ENTERING])\n", ""),
        ("one refill does not wait for another", "and places[ORDERED_FOR] <= row and", "and"),
        ("a large head is not ordered for", "(hot < limits[LOW_C] or hot < need)", "hot < limits[LOW_C]"),
        ("an order fills to the target alone", "enough = max(limits[TARGET_C], need)", "enough = limits[TARGET_C]"),
        ("a wallet keeps what is over", "if hot > max(limits[HIGH_C], need):", "if False:"),
        ("what the head needs is swept away", "if hot > max(limits[HIGH_C], need):", "if hot > limits[HIGH_C]:"),
        ("refills come from nowhere", "rails[row, r, COLD_C] -= order", "rails[row, r, COLD_C] -= 0"),
        (
            "money on its way is counted once more",
            "rails[row, r, TRANSIT_C] += order",
            "rails[row, r, TRANSIT_C] += 2 * order",
        ),
        (
            "deposits come a minute early",
            "    if row > 1:\n        hot += lv.deposits[r, row - 2]",
            "    hot += lv.deposits[r, row - 1]",
        ),
        ("a closed rail is short", "need > hot and not lv.closed[r, row - 1]", "need > hot"),
        ("no head is ever stuck", "lv.ints[row, STUCK] += need >", "lv.ints[row, STUCK] += 0 >"),
        ("a block confirms what is sent after it", "rails[row - 1, r, PAID]  # what", "rails[row, r, PAID]  # what"),
        ("one confirmation is as good as two", "lv.paid_at_block[r, block + 1 - needed]", "lv.paid_at_block[r, block]"),
        ("a row is final with the payment before it", "POSITION] <= final:", "POSITION] <= final + 1:"),
        ("a final row stays late", "        lv.places[LATE_ROWS] -= lv.rows[i, LATE]\n", ""),
    ),
    *in_file(
        LINES,
        ("every minute is a batch", "        if done * batch < minute:\n            return 0\n", ""),
        ("unused capacity is kept below one", "int((done + 1) * each) - int(done * each)", "int(each + 0.5)"),
        (
            "tickets beyond a minute's candidates are lost",
            "lv.floats[row, pending] = asked - lv.floats[row, share]",
            "lv.floats[row, pending] = 0.0",
        ),
        ("a closure admits candidates", "if not lv.exogenous[TICKETS_CLOSED, row - 1]:", "if True:"),
    ),
    *in_file(
        SCREENING,
        ("what is held is paid", "if lv.drawn_rows[i, ROW_FLAGS] & HELD_ROW:", "if False:"),
        ("a hold ends a minute early", "numbers.hold_minutes, ON_HOLD", "max(numbers.hold_minutes - 1, 1), ON_HOLD"),
        ("nobody is reviewed", "if not lv.drawn_rows[i, ROW_FLAGS] & REVIEWED_ROW or", "if True or"),
        ("everybody is let off as a run is", "lv.drawn_rows[i, ROW_MINUTE] < 0 and mark_of", "mark_of"),
        ("a run is reviewed like any other day", "return share > 0.0 and", "return False and"),
    ),
    *in_file(
        ROWS,
        ("a retry has the mark of the failure", '("gateway", "retry",', '("gateway", "gateway",'),
        ("every attempt has one mark", "lv.row_keys[i], lv.rows[i, ATTEMPT], purpose", "lv.row_keys[i], 0, purpose"),
        (
            "rails share their marks",
            "(minute * lv.counted.shape[0] + rail) * CLASSES",
            "(minute * lv.counted.shape[0]) * CLASSES",
        ),
        (
            "released money stays held",
            "lv.rails[row, lv.drawn_rows[i, ROW_RAIL], HELD_C] -= lv.drawn_rows[i, ROW_CENTS]",
            "pass",
        ),
    ),
    *in_file(
        REQUESTS,
        (
            "the tick takes its own minute's requests",
            "lv.drawn_rows[i, ROW_MINUTE] < minute:",
            "lv.drawn_rows[i, ROW_MINUTE] <= minute:",
        ),
        ("rows pass the gates as they come", "    sort(lv.moving, lv.places[MOVING])\n", ""),
        ("the counted who return are not new", "        again += back\n", "        again += 0\n"),
        (
            "deferred money is not among that of those who return",
            "            lv.rails[row, r, AGAIN_C] += lv.counted[r, kind, 1]\n",
            "",
        ),
    ),
    *in_file(
        GATES,
        (
            "who gives up is one of another class",
            "lv.by_class[r, kind, GIVEN_UP] += failed - back",
            "lv.by_class[r, 0, GIVEN_UP] += failed - back",
        ),
        ("all who failed give up", "            lv.due[at, r, AGAIN + 2 * kind] += back\n", ""),
        ("a full gateway still lets more through", "* loads[last] / load", ""),
        ("who fails comes back at once", "row + numbers.gateway_retry_minutes, lv", "row + 1, lv"),
        ("a country bars nobody", "barred += lv.counted[r, FORBIDDEN, 0]", "barred += 0"),
        ("the money of those barred vanishes", "lv.rails[row, r, LOST_C] += lv.counted[r, FORBIDDEN, 1]", "pass"),
        (
            "the limit is for amounts of its size",
            "ROW_CENTS] <= numbers.limits_cents",
            "ROW_CENTS] < numbers.limits_cents",
        ),
        ("an account at the tightness is under the limits", "lv.row_account[i] >= tight", "lv.row_account[i] > tight"),
        ("an empty wallet tightens nothing", "            tight = 1.0\n", "            pass\n"),
        ("a refusal has the mark of the failure", "mark_of(lv, i, AT_RETURN)", "mark_of(lv, i, AT_GATEWAY)"),
        ("dropped rows are paid", "if lv.drawn_rows[i, ROW_FLAGS] & DROPPED_ROW:", "if False:"),
        ("breaches cost nothing", "+= lv.drawn_rows[i, ROW_COST_C]", "+= 0"),
        (
            "a wrong network is a wrong address",
            "if lv.drawn_rows[i, ROW_FLAGS] & NETWORK_ROW:",
            "if lv.drawn_rows[i, ROW_FLAGS] & ADDRESS_ROW:",
        ),
        ("those barred write no tickets", "barred * lv.numbers[0].barred_admitted", "0.0"),
    ),
)
"""Other faults of the pipeline."""

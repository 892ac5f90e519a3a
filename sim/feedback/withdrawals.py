"""Withdrawals by the minute, from the request to the chain: counts and money, first come first served.

Request -> gateway (its excess fails; some try again) -> law of the customer's country -> limits -> confirmation by the
customer (some drop out, some err) -> screening (automatic, reviewed, held) -> payout line of the rail -> hot wallet ->
blocks -> final. Money follows the counts: part of a minute's withdrawals takes its part of their money, so that no
cent is lost or made.
"""

from __future__ import annotations

from sim.core.jit import inlined, outlined
from sim.feedback.columns import RAIL_AT
from sim.feedback.mechanisms.withdrawals import (
    AGAIN,
    AGAIN_C,
    AUTO,
    AUTO_C,
    BARRED,
    BARRING,
    BATCH,
    BREACHES,
    BREACHING,
    COLD_C,
    CONFIRMATIONS,
    DROPPED,
    DROPPING,
    ERRING_ADDRESS,
    ERROR_SHARE,
    EXCEEDING,
    FAILED,
    FAILING,
    FINAL,
    FINAL_MINUTES,
    GAVE_UP,
    HAND,
    HAND_C,
    HAS_WALLET,
    HELD,
    HELD_C,
    HIGH_C,
    HOLDING,
    HOT_C,
    LEVEL_ADDRESS,
    LEVEL_BARRED,
    LEVEL_FAULT,
    LEVEL_LATE,
    LEVEL_LIMITED,
    LOST_C,
    LOW_C,
    MARKET_TIGHTNESS,
    N_AGAIN,
    N_LATE,
    N_OPEN,
    OTHERS,
    OVER_LIMIT,
    PAID,
    PAID_C,
    PAYING,
    PAYOUT_IN,
    PAYOUT_IN_C,
    QUIET_FAULT,
    QUIET_LATE,
    QUIET_LIMITED,
    REFILL_C,
    RELEASE,
    RELEASE_C,
    RELEASED,
    REQUESTS,
    RETRYING,
    RETURNING,
    REVIEW_AT,
    REVIEW_CREDIT,
    REVIEW_IN,
    REVIEW_IN_C,
    REVIEWED,
    REVIEWED_C,
    SHORT,
    TARGET_C,
    TIGHTNESS,
    TRANSIT_C,
    TURNED_AWAY,
    WRONG_ADDRESS,
    WRONG_ADDRESS_C,
)  # fmt: skip


@inlined
def withdraw(lv, row):  # type: ignore[no-untyped-def]
    """Take the requests of a minute, which stand in ``now``, through all stages; write the minute's columns."""
    _pass_gateway(lv, row)
    if lv.numbers[0].countries_barred_share + lv.numbers[0].countries_breach_share > 0.0:
        _pass_countries(lv, row)
    _pass_limits(lv, row)
    _confirm(lv, row)
    if lv.numbers[0].wrong_address_share > 0.0:
        _go_astray(lv, row, 0, lv.numbers[0].wrong_address_share, lv.numbers[0].wrong_address_level_per_mistake)
    if lv.numbers[0].wrong_network_share > 0.0:
        _go_astray(lv, row, 1, lv.numbers[0].wrong_network_share, lv.numbers[0].wrong_network_level_per_mistake)
    _screen(lv, row)
    late = 0
    waiting = 0
    for r in range(lv.rails.shape[1]):
        _pay(lv, row, r)
        _settle(lv, row, r)
        waiting += lv.rails[row, r, REVIEW_IN] - lv.rails[row, r, REVIEWED]
        waiting += lv.rails[row, r, PAYOUT_IN] - lv.rails[row, r, FINAL]
        ago = row - lv.numbers[0].promise_minutes
        if ago > 0:
            late += max(lv.rails[ago, r, REVIEW_IN] - lv.rails[row, r, REVIEWED], 0)
            late += max(lv.rails[ago, r, PAYOUT_IN] - lv.rails[row, r, FINAL], 0)
    lv.ints[row, N_LATE] = late
    lv.ints[row, N_OPEN] = waiting + lv.ints[row, HELD] - lv.ints[row, RELEASED]
    lv.floats[row, LEVEL_LATE] = (
        late * lv.numbers[0].late_level_per_withdrawal * (1.0 - lv.exogenous[QUIET_LATE, row - 1])
    )


@inlined
def request(lv, row):  # type: ignore[no-untyped-def]
    """Put the minute's requests into ``now``: those that were drawn, and those that are made again."""
    again = 0
    for r in range(lv.now.shape[0]):
        for what in range(4):
            lv.now[r, what] = lv.requests[r, what, row - 1] + lv.due[row, r, AGAIN + what]
        again += lv.due[row, r, AGAIN + AUTO] + lv.due[row, r, AGAIN + HAND]
        cents = lv.due[row, r, AGAIN + AUTO_C] + lv.due[row, r, AGAIN + HAND_C]
        lv.rails[row, r, AGAIN_C] = lv.rails[row - 1, r, AGAIN_C] - cents
        lv.rails[row, r, LOST_C] = lv.rails[row - 1, r, LOST_C]
    lv.ints[row, N_AGAIN] = lv.ints[row - 1, N_AGAIN] - again


@inlined
def portion(cents, some, of):  # type: ignore[no-untyped-def]
    """Return the money of ``some`` of the withdrawals, rounded down; without overflow for any that exist."""
    if some == of:  # as a rule, and a division takes longer than all the rest
        return cents
    return cents // of * some + cents % of * some // of


@outlined
def _take_out(lv, r, share, weight, carried):  # type: ignore[no-untyped-def]
    """Move a share of a rail's requests from ``now`` to ``cut``; each has ``weight`` times the mean money."""
    now, cut = lv.now, lv.cut
    for what in range(4):
        cut[what] = 0
    n = now[r, AUTO] + now[r, HAND]
    if n == 0 or share <= 0.0:
        return 0
    credit = lv.carry[r, carried] + n * share
    gone = min(int(credit), n)
    lv.carry[r, carried] = credit - gone
    if gone == 0:
        return 0
    cut[HAND] = now[r, HAND] * gone // n
    cut[AUTO] = min(gone - cut[HAND], now[r, AUTO])
    cut[HAND] = gone - cut[AUTO]
    for what in range(0, 4, 2):
        if cut[what] > 0:
            all_of_it = now[r, what + 1]
            some = int(portion(all_of_it, cut[what], now[r, what]) * weight)
            cut[what + 1] = all_of_it if cut[what] == now[r, what] else min(some, all_of_it)
            now[r, what] -= cut[what]
            now[r, what + 1] -= cut[what + 1]
    return gone


@outlined
def _come_again(lv, r, row, share, minutes, carried):  # type: ignore[no-untyped-def]
    """Let a share of those in ``cut`` come again some minutes later; return how many did not."""
    n = lv.cut[AUTO] + lv.cut[HAND]
    if n == 0:
        return 0
    credit = lv.carry[r, carried] + n * share
    back = min(int(credit), n)
    lv.carry[r, carried] = credit - back
    lost_auto = n - back
    for what in range(2, -1, -2):  # the reviewed are the first to give up: the fewer of the two, as a rule
        gone = min(lost_auto, lv.cut[what])
        if gone:
            cents = portion(lv.cut[what + 1], gone, lv.cut[what])
            lv.rails[row, r, LOST_C] += cents
            lv.cut[what + 1] -= cents
            lv.cut[what] -= gone
            lost_auto -= gone
    at = min(row + minutes, lv.due.shape[0] - 1)
    for what in range(4):
        lv.due[at, r, AGAIN + what] += lv.cut[what]
    lv.rails[row, r, AGAIN_C] += lv.cut[AUTO_C] + lv.cut[HAND_C]
    lv.ints[row, N_AGAIN] += back
    return n - back


@inlined
def _error_share(lv, load):  # type: ignore[no-untyped-def]
    """Return the share of requests that fail at a load per minute: straight lines between the points given."""
    loads, errors = lv.loads, lv.errors
    last = len(loads) - 1
    if last < 0:
        return 0.0
    if load <= loads[0]:
        return errors[0]
    if load >= loads[last]:
        # Beyond what was measured no more gets through than at the last point.
        return 1.0 - (1.0 - errors[last]) * loads[last] / load
    i = 1
    while loads[i] < load:
        i += 1
    return errors[i - 1] + (errors[i] - errors[i - 1]) * (load - loads[i - 1]) / (loads[i] - loads[i - 1])


@inlined
def _pass_gateway(lv, row):  # type: ignore[no-untyped-def]
    """Let the gateway answer what it can at this load."""
    n = 0
    for r in range(lv.now.shape[0]):
        n += lv.now[r, AUTO] + lv.now[r, HAND]
    lv.ints[row, REQUESTS] = n
    load = n + lv.exogenous[OTHERS, row - 1] + lv.ints[row - 1, N_OPEN] * lv.numbers[0].gateway_polls_per_open
    share = _error_share(lv, load)
    lv.floats[row, ERROR_SHARE] = share
    failed = gave_up = 0
    for r in range(lv.now.shape[0] if share > 0.0 else 0):
        failed += _take_out(lv, r, share, 1.0, FAILING)
        gave_up += _come_again(
            lv, r, row, lv.numbers[0].gateway_retry_share, lv.numbers[0].gateway_retry_minutes, RETRYING
        )
    lv.ints[row, FAILED] = lv.ints[row - 1, FAILED] + failed
    lv.ints[row, GAVE_UP] = lv.ints[row - 1, GAVE_UP] + gave_up
    lv.floats[row, LEVEL_FAULT] = (
        gave_up * lv.numbers[0].gateway_level_per_gave_up * (1.0 - lv.exogenous[QUIET_FAULT, row - 1])
    )


@outlined
def _pass_countries(lv, row):  # type: ignore[no-untyped-def]
    """Refuse for good what a country forbids, and count what is forbidden and gets past the check."""
    n = barred = breaches = 0
    for r in range(lv.now.shape[0]):
        here = lv.now[r, AUTO] + lv.now[r, HAND]
        gone = _take_out(lv, r, lv.numbers[0].countries_barred_share, lv.numbers[0].countries_barred_weight, BARRING)
        lv.rails[row, r, LOST_C] += lv.cut[AUTO_C] + lv.cut[HAND_C]
        credit = lv.carry[r, BREACHING] + here * lv.numbers[0].countries_breach_share
        passed = min(int(credit), here - gone)
        lv.carry[r, BREACHING] = credit - passed
        n += here
        barred += gone
        breaches += passed
    lv.ints[row, BARRED] = lv.ints[row - 1, BARRED] + barred
    lv.ints[row, BREACHES] = lv.ints[row - 1, BREACHES] + breaches
    # As many as are expected, not those just counted: few and far between, they would be beyond the ceiling at once.
    lv.floats[row, LEVEL_BARRED] = n * lv.numbers[0].countries_barred_share * lv.numbers[0].countries_level_per_barred


@inlined
def _pass_limits(lv, row):  # type: ignore[no-untyped-def]
    """Refuse what is over the limit, for as many accounts as the market or an empty wallet tightens it."""
    tight = lv.exogenous[MARKET_TIGHTNESS, row - 1]
    for r in range(lv.now.shape[0]):
        enough = lv.numbers[0].limits_hot_share * lv.rail_ints[r, TARGET_C]
        if lv.rail_ints[r, HAS_WALLET] and lv.rails[row - 1, r, HOT_C] < enough:
            tight = 1.0
    lv.floats[row, TIGHTNESS] = tight
    refused = away = 0
    share = tight * lv.numbers[0].limits_over_share
    for r in range(lv.now.shape[0] if share > 0.0 else 0):
        refused += _take_out(lv, r, share, lv.numbers[0].limits_over_weight, EXCEEDING)
        away += _come_again(lv, r, row, lv.numbers[0].limits_back_share, lv.numbers[0].limits_back_minutes, RETURNING)
    lv.ints[row, OVER_LIMIT] = lv.ints[row - 1, OVER_LIMIT] + refused
    lv.ints[row, TURNED_AWAY] = lv.ints[row - 1, TURNED_AWAY] + away
    lv.floats[row, LEVEL_LIMITED] = (
        refused * lv.numbers[0].limits_level_per_refusal * (1.0 - lv.exogenous[QUIET_LIMITED, row - 1])
    )


@inlined
def _confirm(lv, row):  # type: ignore[no-untyped-def]
    """Let the customers confirm; some drop out."""
    dropped = 0
    for r in range(lv.now.shape[0]):
        if lv.numbers[0].drop_share > 0.0:
            dropped += _take_out(lv, r, lv.numbers[0].drop_share, 1.0, DROPPING)
            lv.rails[row, r, LOST_C] += lv.cut[AUTO_C] + lv.cut[HAND_C]
    lv.ints[row, DROPPED] = lv.ints[row - 1, DROPPED] + dropped


@outlined
def _go_astray(lv, row, kind, share, level):  # type: ignore[no-untyped-def]
    """Count what was confirmed to a wrong address (kind 0) or over a wrong network (1), and its money, to be paid."""
    confirmed = astray = cents = 0
    for r in range(lv.now.shape[0]):
        n = lv.now[r, AUTO] + lv.now[r, HAND]
        credit = lv.carry[r, ERRING_ADDRESS + kind] + n * share
        some = min(int(credit), n)
        lv.carry[r, ERRING_ADDRESS + kind] = credit - some
        if some > 0:
            cents += portion(lv.now[r, AUTO_C] + lv.now[r, HAND_C], some, n)
        confirmed += n
        astray += some
    lv.ints[row, WRONG_ADDRESS + kind] = lv.ints[row - 1, WRONG_ADDRESS + kind] + astray
    lv.ints[row, WRONG_ADDRESS_C + kind] = lv.ints[row - 1, WRONG_ADDRESS_C + kind] + cents
    lv.floats[row, LEVEL_ADDRESS + kind] = confirmed * share * level


@inlined
def _screen(lv, row):  # type: ignore[no-untyped-def]
    """Put what needs a review into its line, and what does not into the payout lines; then review, oldest first."""
    rails, now = lv.rails, lv.now
    waiting = 0
    lv.ints[row, RELEASED] = lv.ints[row - 1, RELEASED]
    for r in range(rails.shape[1]):
        for column in range(FINAL):
            rails[row, r, column] = rails[row - 1, r, column]
        rails[row, r, REVIEW_IN] += now[r, HAND]
        rails[row, r, REVIEW_IN_C] += now[r, HAND_C]
        rails[row, r, PAYOUT_IN] += now[r, AUTO] + lv.due[row, r, RELEASE]
        rails[row, r, PAYOUT_IN_C] += now[r, AUTO_C] + lv.due[row, r, RELEASE_C]
        rails[row, r, HELD_C] = rails[row - 1, r, HELD_C] - lv.due[row, r, RELEASE_C]
        lv.ints[row, RELEASED] += lv.due[row, r, RELEASE]
        waiting += rails[row, r, REVIEW_IN] - rails[row, r, REVIEWED]
    lv.ints[row, HELD] = lv.ints[row - 1, HELD]
    if waiting:
        credit = lv.floats[row - 1, REVIEW_CREDIT] + lv.numbers[0].reviews_per_minute
        able = min(int(credit), waiting)
        _review(lv, row, able)
        lv.floats[row, REVIEW_CREDIT] = credit - able if waiting > able else 0.0


@inlined
def _review(lv, row, able):  # type: ignore[no-untyped-def]
    """Review ``able`` of those waiting, the oldest minute first, within it rail by rail; some are held a while."""
    rails, minute = lv.rails, lv.places[REVIEW_AT]
    while able > 0:
        for r in range(rails.shape[1]):
            here = rails[minute, r, REVIEW_IN] - rails[row, r, REVIEWED]
            done = min(here, able)
            if done > 0:
                cents = portion(rails[minute, r, REVIEW_IN_C] - rails[row, r, REVIEWED_C], done, here)
                rails[row, r, REVIEWED] += done
                rails[row, r, REVIEWED_C] += cents
                able -= done
                _hold_or_pass(lv, row, r, done, cents)
        if able > 0:
            minute += 1
    lv.places[REVIEW_AT] = minute


@inlined
def _hold_or_pass(lv, row, r, done, cents):  # type: ignore[no-untyped-def]
    """Put what was reviewed into the payout line, but for the share that is held first."""
    held = held_cents = 0
    if lv.numbers[0].held_share > 0.0:
        credit = lv.carry[r, HOLDING] + done * lv.numbers[0].held_share
        held = min(int(credit), done)
        lv.carry[r, HOLDING] = credit - held
        held_cents = portion(cents, held, done)
        at = min(row + lv.numbers[0].hold_minutes, lv.due.shape[0] - 1)
        lv.due[at, r, RELEASE] += held
        lv.due[at, r, RELEASE_C] += held_cents
        lv.rails[row, r, HELD_C] += held_cents
        lv.ints[row, HELD] += held
    lv.rails[row, r, PAYOUT_IN] += done - held
    lv.rails[row, r, PAYOUT_IN_C] += cents - held_cents


@inlined
def _pay(lv, row, r):  # type: ignore[no-untyped-def]
    """Pay what the line and the hot wallet allow, the oldest minute first, without overtaking."""
    rails, rules = lv.rails, lv.rail_ints
    hot = rails[row - 1, r, HOT_C] + lv.deposits[r, row - 1] + lv.due[row, r, REFILL_C]
    rails[row, r, COLD_C] = rails[row - 1, r, COLD_C]
    rails[row, r, TRANSIT_C] = rails[row - 1, r, TRANSIT_C] - lv.due[row, r, REFILL_C]
    waiting = rails[row, r, PAYOUT_IN] - rails[row, r, PAID]
    if waiting and not lv.closed[r, row - 1]:
        credit = lv.carry[r, PAYING] + lv.payouts[r]
        able = min(int(credit), waiting) if row % rules[r, BATCH] == 0 else 0
        minute, left = lv.places[RAIL_AT + 3 * r], able
        while left > 0:
            here = rails[minute, r, PAYOUT_IN] - rails[row, r, PAID]
            if here == 0:
                minute += 1
                continue
            cents, done = rails[minute, r, PAYOUT_IN_C] - rails[row, r, PAID_C], min(here, left)
            cost = portion(cents, done, here)
            if rules[r, HAS_WALLET] and cost > hot:
                done = min(hot // (cents // here + 1), done)
                cost, left = portion(cents, done, here), 0
                lv.ints[row, SHORT] += 1
            rails[row, r, PAID] += done
            rails[row, r, PAID_C] += cost
            hot -= cost
            left -= done
        lv.places[RAIL_AT + 3 * r] = minute
        paid = rails[row, r, PAID] - rails[row - 1, r, PAID]
        lv.carry[r, PAYING] = credit - paid if waiting > paid else 0.0
    if rules[r, HAS_WALLET]:
        _move_cold(lv, row, r, hot)


@inlined
def _move_cold(lv, row, r, hot):  # type: ignore[no-untyped-def]
    """Order money from the cold wallet when the hot one runs low, unless some is on its way; give it what is over."""
    rails, rules, refills = lv.rails, lv.rail_ints, lv.places[RAIL_AT + 3 * r + 2]
    ordered_for = refills >> 32  # the minute at which the last order arrives, above the number of orders
    number = refills & 0xFFFFFFFF
    if hot > rules[r, HIGH_C]:
        rails[row, r, COLD_C] += hot - rules[r, TARGET_C]
        hot = rules[r, TARGET_C]
    if hot < rules[r, LOW_C] and ordered_for <= row and rails[row, r, COLD_C] > 0:
        order = min(rules[r, TARGET_C] - hot, rails[row, r, COLD_C])
        at = min(row + lv.refill_minutes[r, number % lv.refill_minutes.shape[1]], lv.due.shape[0] - 1)
        lv.due[at, r, REFILL_C] += order
        rails[row, r, COLD_C] -= order
        rails[row, r, TRANSIT_C] += order
        lv.places[RAIL_AT + 3 * r + 2] = at << 32 | number + 1
    rails[row, r, HOT_C] = hot


@inlined
def _settle(lv, row, r):  # type: ignore[no-untyped-def]
    """Write how many payments are final: those with enough blocks on them, or of long enough ago."""
    rails, rules, needed = lv.rails, lv.rail_ints, lv.rail_ints[r, CONFIRMATIONS]
    final = rails[row - 1, r, FINAL]
    if needed == 0:
        final = max(final, rails[max(row - rules[r, FINAL_MINUTES], 0), r, PAID])
    else:
        block = lv.places[RAIL_AT + 3 * r + 1]
        while block < lv.blocks.shape[1] and lv.blocks[r, block] < row - 1:
            lv.paid_at_block[r, block] = rails[row - 1, r, PAID]  # what was sent before the block was found
            if block + 1 >= needed:
                final = lv.paid_at_block[r, block + 1 - needed]
            block += 1
        lv.places[RAIL_AT + 3 * r + 1] = block
    rails[row, r, FINAL] = final

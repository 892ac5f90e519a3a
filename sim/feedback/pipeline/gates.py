"""The gates that a request must pass: gateway, law of the customer's country, limits; then the customer confirms it."""

from __future__ import annotations

from sim.core.jit import inlined, outlined
from sim.feedback.mechanisms.lines import ask
from sim.feedback.mechanisms.trust import ADMITTED_SIGNUP
from sim.feedback.mechanisms.withdrawals import (
    ACCEPTED,
    ACCEPTED_ROWS,
    ADDRESS_PENDING,
    ADDRESS_ROW,
    ADMITTED_ADDRESS,
    ADMITTED_BARRED,
    ADMITTED_FAULT,
    ADMITTED_LIMITED,
    ADMITTED_NETWORK,
    AGAIN,
    AGAIN_C,
    ATTEMPT,
    BARRED,
    BARRED_PENDING,
    BREACH_COST_C,
    BREACHES,
    BREACHING_ROW,
    CLASSES,
    DROPPED,
    DROPPED_ROW,
    DROPPING,
    ERROR_SHARE,
    FAILED,
    FAULT_PENDING,
    FORBIDDEN,
    GAVE_UP,
    GIVEN_UP,
    GIVEN_UP_C,
    HAS_WALLET,
    HOT_C,
    LET_THROUGH,
    LET_THROUGH_C,
    LIMITED_PENDING,
    LOAD,
    LOST_AT_GATEWAY,
    LOST_AT_LIMIT,
    LOST_C,
    MARKET_TIGHTNESS,
    MOVING,
    N_AGAIN,
    N_OPEN,
    NETWORK_PENDING,
    NETWORK_ROW,
    NEWCOMERS,
    OTHERS,
    OVER_LIMIT,
    QUIET_FAULT,
    QUIET_LIMITED,
    REQUESTS,
    RETURNING,
    ROW_CENTS,
    ROW_COST_C,
    ROW_FLAGS,
    ROW_RAIL,
    STAGE,
    TARGET_C,
    TIGHTNESS,
    TURNED_AWAY,
    UNCONFIRMED,
    WRONG_ADDRESS,
    WRONG_ADDRESS_C,
    WRONG_NETWORK,
    WRONG_NETWORK_C,
)
from sim.feedback.pipeline.rows import AT_GATEWAY, AT_RETRY, AT_RETURN, mark_of, marks_below, portion, put_off


@inlined
def pass_gates(lv, row, tickets, open_tickets):  # type: ignore[no-untyped-def]
    """Let the requests on their way pass the gates, as many as do; ``tickets`` were opened in the last minute."""
    _pass_gateway(lv, row, tickets, open_tickets)
    _obey_countries(lv, row)
    _pass_limits(lv, row)
    _confirm(lv, row)


@inlined
def _lose(lv, row, i, stage):  # type: ignore[no-untyped-def]
    """Let a row go for good, with its money."""
    lv.rows[i, STAGE] = stage
    lv.rails[row, lv.drawn_rows[i, ROW_RAIL], LOST_C] += lv.drawn_rows[i, ROW_CENTS]


@inlined
def _end(lv, r, kind):  # type: ignore[no-untyped-def]
    """Note the counted ones of a class for whom the way ends behind the gateway."""
    lv.by_class[r, kind, LET_THROUGH] += lv.counted[r, kind, 0]
    lv.by_class[r, kind, LET_THROUGH_C] += lv.counted[r, kind, 1]


@inlined
def _come_again(lv, row, i, minutes):  # type: ignore[no-untyped-def]
    """Let a row come again, as itself, after some minutes."""
    lv.rails[row, lv.drawn_rows[i, ROW_RAIL], AGAIN_C] += lv.drawn_rows[i, ROW_CENTS]
    lv.ints[row, N_AGAIN] += 1
    put_off(lv, i, row, minutes, RETURNING)


# --- gateway --------------------------------------------------------------------------------------------------------


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
def _pass_gateway(lv, row, tickets, open_tickets):  # type: ignore[no-untyped-def]
    """Let the gateway answer what it can at the load of all endpoints."""
    numbers, n = lv.numbers[0], lv.places[MOVING]
    for r in range(lv.counted.shape[0]):
        for kind in range(CLASSES):
            n += lv.counted[r, kind, 0]
    for place in range(lv.places[MOVING]):
        lv.rows[lv.moving[place], ATTEMPT] += 1
    lv.ints[row, REQUESTS] = n
    load = n * (1.0 + numbers.gateway_codes_per_request) + tickets + open_tickets * numbers.gateway_views_per_open
    if row > 1:
        load += lv.exogenous[OTHERS, row - 2]
        load += lv.exogenous[NEWCOMERS, row - 2] * lv.floats[row - 1, ADMITTED_SIGNUP]
    load += lv.ints[row - 1, N_OPEN] * numbers.gateway_polls_per_open
    share, gave_up = _error_share(lv, load), 0
    lv.floats[row, LOAD], lv.floats[row, ERROR_SHARE] = load, share
    if share > 0.0:
        gave_up = _fail_counted(lv, row, share) + _fail_rows(lv, row, share)
    lv.ints[row, GAVE_UP] += gave_up
    quiet = 1.0 - lv.exogenous[QUIET_FAULT, row - 1]
    ask(lv, row, ADMITTED_FAULT, FAULT_PENDING, gave_up * numbers.gateway_admitted_per_gave_up * quiet)


@outlined
def _fail_counted(lv, row, share):  # type: ignore[no-untyped-def]
    """Fail a share of the counted requests, some of which come again; return how many do not."""
    numbers, gave_up = lv.numbers[0], 0
    at = min(row + numbers.gateway_retry_minutes, lv.due.shape[0] - 1)
    for r in range(lv.counted.shape[0]):
        for kind in range(CLASSES):
            n, cents, cohort = lv.counted[r, kind, 0], lv.counted[r, kind, 1], (r, kind, row - 1)
            failed = marks_below(lv, cohort, n, share, AT_GATEWAY)
            if failed == 0:
                continue
            lost = portion(cents, failed, n)
            lv.counted[r, kind, 0], lv.counted[r, kind, 1] = n - failed, cents - lost
            back = marks_below(lv, cohort, failed, numbers.gateway_retry_share, AT_RETRY)
            back_cents = portion(lost, back, failed)
            lv.due[at, r, AGAIN + 2 * kind] += back
            lv.due[at, r, AGAIN + 2 * kind + 1] += back_cents
            lv.rails[row, r, AGAIN_C] += back_cents
            lv.rails[row, r, LOST_C] += lost - back_cents
            lv.by_class[r, kind, GIVEN_UP] += failed - back
            lv.by_class[r, kind, GIVEN_UP_C] += lost - back_cents
            lv.ints[row, N_AGAIN] += back
            lv.ints[row, FAILED] += failed
            gave_up += failed - back
    return gave_up


@outlined
def _fail_rows(lv, row, share):  # type: ignore[no-untyped-def]
    """Fail the rows whose mark is below the share, some of which come again; return how many do not."""
    numbers, passed, gave_up = lv.numbers[0], 0, 0
    for place in range(lv.places[MOVING]):
        i = lv.moving[place]
        if mark_of(lv, i, AT_GATEWAY) >= share:
            lv.moving[passed] = i
            passed += 1
            continue
        lv.ints[row, FAILED] += 1
        if mark_of(lv, i, AT_RETRY) < numbers.gateway_retry_share:
            _come_again(lv, row, i, numbers.gateway_retry_minutes)
        else:
            _lose(lv, row, i, LOST_AT_GATEWAY)
            gave_up += 1
    lv.places[MOVING] = passed
    return gave_up


# --- law and limits -------------------------------------------------------------------------------------------------


@inlined
def _obey_countries(lv, row):  # type: ignore[no-untyped-def]
    """Refuse for good what a country forbids."""
    barred = 0
    for r in range(lv.counted.shape[0]):
        if lv.counted[r, FORBIDDEN, 0] > 0:
            barred += lv.counted[r, FORBIDDEN, 0]
            lv.rails[row, r, LOST_C] += lv.counted[r, FORBIDDEN, 1]
            _end(lv, r, FORBIDDEN)
    lv.ints[row, BARRED] += barred
    ask(lv, row, ADMITTED_BARRED, BARRED_PENDING, barred * lv.numbers[0].barred_admitted)


@inlined
def _pass_limits(lv, row):  # type: ignore[no-untyped-def]
    """Refuse rows over the limit whose account is under it, for the market's sake or an empty wallet's."""
    numbers, tight = lv.numbers[0], lv.exogenous[MARKET_TIGHTNESS, row - 1]
    for r in range(lv.counted.shape[0]):
        enough = numbers.limits_hot_share * lv.rail_ints[r, TARGET_C]
        if lv.rail_ints[r, HAS_WALLET] and lv.rails[row - 1, r, HOT_C] < enough:
            tight = 1.0
    lv.floats[row, TIGHTNESS] = tight
    refused, passed = 0, 0
    for place in range(lv.places[MOVING]):
        i = lv.moving[place]
        if lv.drawn_rows[i, ROW_CENTS] <= numbers.limits_cents or lv.row_account[i] >= tight:
            lv.moving[passed] = i
            passed += 1
            continue
        refused += 1
        if mark_of(lv, i, AT_RETURN) < numbers.limits_back_share:
            _come_again(lv, row, i, numbers.limits_back_minutes)
        else:
            _lose(lv, row, i, LOST_AT_LIMIT)
            lv.ints[row, TURNED_AWAY] += 1
    lv.places[MOVING] = passed
    lv.ints[row, OVER_LIMIT] += refused
    quiet = 1.0 - lv.exogenous[QUIET_LIMITED, row - 1]
    ask(lv, row, ADMITTED_LIMITED, LIMITED_PENDING, refused * numbers.limits_admitted_per_refusal * quiet)


# --- acceptance -----------------------------------------------------------------------------------------------------


@inlined
def _confirm(lv, row):  # type: ignore[no-untyped-def]
    """Accept what has passed; let the customers confirm it, some to a wrong address or over a wrong network."""
    numbers, passed = lv.numbers[0], 0
    address, network = lv.ints[row, WRONG_ADDRESS], lv.ints[row, WRONG_NETWORK]
    for r in range(lv.counted.shape[0]):
        if lv.counted[r, DROPPING, 0] > 0:
            lv.ints[row, DROPPED] += lv.counted[r, DROPPING, 0]
            lv.rails[row, r, LOST_C] += lv.counted[r, DROPPING, 1]
            _end(lv, r, DROPPING)
    for place in range(lv.places[MOVING]):
        i = lv.moving[place]
        _accept(lv, row, i)
        if lv.drawn_rows[i, ROW_FLAGS] & DROPPED_ROW:
            lv.ints[row, DROPPED] += 1
            _lose(lv, row, i, UNCONFIRMED)
            continue
        _note_mistakes(lv, row, i)
        lv.moving[passed] = i
        passed += 1
    lv.places[MOVING] = passed
    address, network = lv.ints[row, WRONG_ADDRESS] - address, lv.ints[row, WRONG_NETWORK] - network
    ask(lv, row, ADMITTED_ADDRESS, ADDRESS_PENDING, address * numbers.wrong_address_admitted)
    ask(lv, row, ADMITTED_NETWORK, NETWORK_PENDING, network * numbers.wrong_network_admitted)


@inlined
def _accept(lv, row, i):  # type: ignore[no-untyped-def]
    """Start the clock of a row's promise, and count it where its country forbids it."""
    lv.rows[i, ACCEPTED] = row - 1
    lv.accepted[lv.places[ACCEPTED_ROWS]] = i
    lv.places[ACCEPTED_ROWS] += 1
    if lv.drawn_rows[i, ROW_FLAGS] & BREACHING_ROW:
        lv.ints[row, BREACHES] += 1
        lv.ints[row, BREACH_COST_C] += lv.drawn_rows[i, ROW_COST_C]


@inlined
def _note_mistakes(lv, row, i):  # type: ignore[no-untyped-def]
    """Count a row that goes astray, and its money."""
    if lv.drawn_rows[i, ROW_FLAGS] & ADDRESS_ROW:
        lv.ints[row, WRONG_ADDRESS] += 1
        lv.ints[row, WRONG_ADDRESS_C] += lv.drawn_rows[i, ROW_CENTS]
    if lv.drawn_rows[i, ROW_FLAGS] & NETWORK_ROW:
        lv.ints[row, WRONG_NETWORK] += 1
        lv.ints[row, WRONG_NETWORK_C] += lv.drawn_rows[i, ROW_CENTS]

"""The payout line of each rail, its wallets, and its chain: paid from the head, nobody overtakes."""

from __future__ import annotations

from sim.core.jit import inlined, outlined
from sim.feedback.mechanisms.lines import capacity
from sim.feedback.mechanisms.withdrawals import (
    BATCH,
    BLOCK_AT,
    CHAIN_HEAD,
    CHAIN_TAIL,
    COLD_C,
    CONFIRMATIONS,
    COUNTED_IN,
    COUNTED_IN_C,
    COUNTED_PAID,
    COUNTED_PAID_C,
    DONE,
    ENTERED,
    ENTERING,
    FINAL,
    FINAL_AT,
    FINAL_MINUTES,
    HAS_WALLET,
    HIGH_C,
    HOT_C,
    LATE,
    LATE_ROWS,
    LINE_AT,
    LINE_HEAD,
    LINE_TAIL,
    LOW_C,
    ON_CHAIN,
    ORDERED_FOR,
    ORDERS,
    PAID,
    PAID_C,
    PASSING,
    PAYOUT_IN,
    PAYOUT_IN_C,
    POSITION,
    REFILL_C,
    ROW_CENTS,
    ROW_RAIL,
    ROWS_FINAL,
    SHORT,
    STAGE,
    STUCK,
    TARGET_C,
    TRANSIT_C,
)
from sim.feedback.pipeline.rows import NOBODY, append, leave, portion, sort


@inlined
def stand_in_line(lv, row):  # type: ignore[no-untyped-def]
    """Put what enters in this minute at the ends of the payout lines: the counted, then the rows in order."""
    for r in range(lv.counted.shape[0]):
        n, cents = lv.counted[r, PASSING, 0], lv.counted[r, PASSING, 1]
        lv.rails[row, r, COUNTED_IN] += n
        lv.rails[row, r, COUNTED_IN_C] += cents
        lv.rails[row, r, PAYOUT_IN] += n
        lv.rails[row, r, PAYOUT_IN_C] += cents
    sort(lv.entering, lv.places[ENTERING])
    for place in range(lv.places[ENTERING]):
        i = lv.entering[place]
        r = lv.drawn_rows[i, ROW_RAIL]
        lv.rows[i, ENTERED] = row
        append(lv, i, lv.rail_places[r], LINE_HEAD, LINE_TAIL)
        lv.rails[row, r, PAYOUT_IN] += 1
        lv.rails[row, r, PAYOUT_IN_C] += lv.drawn_rows[i, ROW_CENTS]


@inlined
def pay(lv, row, r):  # type: ignore[no-untyped-def]
    """Pay what the line and the hot wallet allow; move money between the wallets."""
    rails = lv.rails
    hot = rails[row, r, HOT_C] + lv.due[row, r, REFILL_C]
    if row > 1:
        hot += lv.deposits[r, row - 2]
    rails[row, r, TRANSIT_C] -= lv.due[row, r, REFILL_C]
    if rails[row, r, PAYOUT_IN] > rails[row, r, PAID] and not lv.closed[r, row - 1]:
        able, short = capacity(row - 1, lv.rail_ints[r, BATCH], lv.payouts[r]), False
        while able > 0 and not short and rails[row, r, PAYOUT_IN] > rails[row, r, PAID]:
            minute = _counted_head(lv, row, r)
            if minute != NOBODY:
                paid, cents, short = _pay_counted(lv, row, r, minute, able, hot)
            else:
                paid, cents, short = _pay_row(lv, row, r, hot)
            rails[row, r, PAID_C] += cents
            hot -= cents
            able -= paid
    if lv.rail_ints[r, HAS_WALLET]:
        _move_cold(lv, row, r, hot)


@inlined
def _counted_head(lv, row, r):  # type: ignore[no-untyped-def]
    """Return the row of the minute whose counted withdrawals are first in the line; NOBODY where a row is."""
    places, paid = lv.rail_places[r], lv.rails[row, r, COUNTED_PAID]
    if lv.rails[row, r, COUNTED_IN] == paid:
        return NOBODY
    minute = places[LINE_AT]
    while lv.rails[minute, r, COUNTED_IN] == paid:
        minute += 1
    places[LINE_AT] = minute
    if places[LINE_HEAD] != NOBODY and lv.rows[places[LINE_HEAD], ENTERED] < minute:
        return NOBODY
    return minute


@inlined
def _pay_counted(lv, row, r, minute, able, hot):  # type: ignore[no-untyped-def]
    """Pay the counted withdrawals of a minute as far as rate and wallet go; return how many, their money, and whether
    the wallet was too low for more."""
    rails = lv.rails
    n = rails[minute, r, COUNTED_IN] - rails[row, r, COUNTED_PAID]
    cents = rails[minute, r, COUNTED_IN_C] - rails[row, r, COUNTED_PAID_C]
    paid, short = min(n, able), False
    if lv.rail_ints[r, HAS_WALLET] and portion(cents, paid, n) > hot:
        paid, short = ((hot + 1) * n - 1) // cents, True  # the largest k with floor(cents k / n) <= hot
    cost = portion(cents, paid, n)
    rails[row, r, COUNTED_PAID] += paid
    rails[row, r, COUNTED_PAID_C] += cost
    rails[row, r, PAID] += paid
    return paid, cost, short


@inlined
def _pay_row(lv, row, r, hot):  # type: ignore[no-untyped-def]
    """Pay the row at the head of the line, if the wallet can; return as ``_pay_counted`` does."""
    places = lv.rail_places[r]
    cents = lv.drawn_rows[places[LINE_HEAD], ROW_CENTS]
    if lv.rail_ints[r, HAS_WALLET] and cents > hot:
        return 0, 0, True
    lv.rails[row, r, PAID] += 1
    i = leave(lv, places, LINE_HEAD)
    lv.rows[i, STAGE], lv.rows[i, POSITION] = ON_CHAIN, lv.rails[row, r, PAID]
    append(lv, i, places, CHAIN_HEAD, CHAIN_TAIL)
    return 1, cents, False


@inlined
def _need(lv, row, r):  # type: ignore[no-untyped-def]
    """Return the least money that pays the first in line: 0 where nobody stands."""
    rails = lv.rails
    if rails[row, r, PAYOUT_IN] == rails[row, r, PAID]:
        return 0
    minute = _counted_head(lv, row, r)
    if minute == NOBODY:
        return lv.drawn_rows[lv.rail_places[r, LINE_HEAD], ROW_CENTS]
    n = rails[minute, r, COUNTED_IN] - rails[row, r, COUNTED_PAID]
    return (rails[minute, r, COUNTED_IN_C] - rails[row, r, COUNTED_PAID_C]) // n


@outlined
def _move_cold(lv, row, r, hot):  # type: ignore[no-untyped-def]
    """Give the cold wallet what is over; order money from it, unless some is on its way, when the hot one runs low or
    cannot pay the first in line; count that it cannot, unless the rail is closed."""
    rails, limits, places, need = lv.rails, lv.rail_ints[r], lv.rail_places[r], _need(lv, row, r)
    enough = max(limits[TARGET_C], need)
    if hot > max(limits[HIGH_C], need):
        rails[row, r, COLD_C] += hot - enough
        hot = enough
    if (hot < limits[LOW_C] or hot < need) and places[ORDERED_FOR] <= row and rails[row, r, COLD_C] > 0:
        order = min(enough - hot, rails[row, r, COLD_C])
        number = places[ORDERS] % lv.refill_minutes.shape[1]
        at = min(row + lv.refill_minutes[r, number], lv.due.shape[0] - 1)
        lv.due[at, r, REFILL_C] += order
        rails[row, r, COLD_C] -= order
        rails[row, r, TRANSIT_C] += order
        places[ORDERED_FOR], places[ORDERS] = at, places[ORDERS] + 1
    rails[row, r, HOT_C] = hot
    lv.ints[row, SHORT] += need > hot and not lv.closed[r, row - 1]
    lv.ints[row, STUCK] += need > hot + rails[row, r, COLD_C] + rails[row, r, TRANSIT_C]


@inlined
def settle(lv, row, r):  # type: ignore[no-untyped-def]
    """Write how many payments are final, those with enough blocks on them or of long enough ago; end their rows."""
    rails, places, needed = lv.rails, lv.rail_places[r], lv.rail_ints[r, CONFIRMATIONS]
    final = rails[row, r, FINAL]
    if needed == 0:
        final = max(final, rails[max(row - lv.rail_ints[r, FINAL_MINUTES], 0), r, PAID])
    else:
        block = places[BLOCK_AT]
        while block < lv.blocks.shape[1] and lv.blocks[r, block] < row - 1:
            lv.paid_at_block[r, block] = rails[row - 1, r, PAID]  # what was sent before the block was found
            if block + 1 >= needed:
                final = lv.paid_at_block[r, block + 1 - needed]
            block += 1
        places[BLOCK_AT] = block
    rails[row, r, FINAL] = final
    while places[CHAIN_HEAD] != NOBODY and lv.rows[places[CHAIN_HEAD], POSITION] <= final:
        i = leave(lv, places, CHAIN_HEAD)
        lv.rows[i, STAGE], lv.rows[i, FINAL_AT] = DONE, row - 1
        rails[row, r, ROWS_FINAL] += 1
        lv.places[LATE_ROWS] -= lv.rows[i, LATE]
        lv.rows[i, LATE] = 0

"""The columns of the feedback tables, by the minute, as the mechanisms declare them (``sim.feedback.mechanisms``).

Row m + 1 belongs to minute m, row 0 to the time before. ``cum_`` are running sums, ``new_`` what came in the minute,
``n_`` what there is at its tick; money is US cents. ``declaration`` has each column's unit and meaning.
"""

from __future__ import annotations

from sim.feedback.declaration import BY_CLASS, DECLARED_STREAMS, EXOGENOUS, FLOATS, INTS, RAILS, ROWS
from sim.feedback.mechanisms.copies import *  # noqa: F403
from sim.feedback.mechanisms.panic import *  # noqa: F403
from sim.feedback.mechanisms.rumour import *  # noqa: F403
from sim.feedback.mechanisms.trust import *  # noqa: F403
from sim.feedback.mechanisms.withdrawals import *  # noqa: F403
from sim.feedback.mechanisms.withdrawals import NEXT

INT_NAMES, FLOAT_NAMES, RAIL_NAMES, EXOGENOUS_NAMES = INTS.names, FLOATS.names, RAILS.names, EXOGENOUS.names
ROW_NAMES = ROWS.names[:NEXT]
"""Without the link to the next row of a line, which is the kernel's own and stands last."""

CLASS_NAMES = BY_CLASS.names

STREAMS = tuple(DECLARED_STREAMS)
ADMISSION_COLUMNS = tuple(one.share for one in DECLARED_STREAMS.values())
"""By stream, the column of ``FLOATS`` with the share of its candidates admitted in the minute."""

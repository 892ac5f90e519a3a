"""What the mechanisms of the kernel declare: each column and number once, with its unit, meaning and index."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from sim.feedback import FeedbackParameters, RailParameters, columns, state_of
from sim.feedback.declaration import (
    DECLARED_STREAMS,
    DRAWN_ROWS,
    DUE,
    EXOGENOUS,
    FLOATS,
    INTS,
    PENDING_COLUMNS,
    PLACES,
    RAIL_NUMBERS,
    RAIL_PLACES,
    RAILS,
    ROWS,
    SUMS,
    Table,
    numbers_of,
    parameter,
    record_of,
)
from sim.feedback.inputs import FeedbackInputs

TABLES = (INTS, FLOATS, RAILS, EXOGENOUS, DUE, RAIL_NUMBERS, RAIL_PLACES, DRAWN_ROWS, ROWS, PLACES, SUMS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.about)
def test_every_column_has_a_name_of_its_own_a_unit_and_a_meaning(table: Table) -> None:
    assert len(set(table.names)) == len(table.names) > 0
    assert all(column.unit and len(column.meaning) > 3 for column in table.columns)


def test_a_declaration_is_its_index_and_a_name_is_taken_once() -> None:
    table = Table("a test")
    assert [table.column(name, "units", "what it is", start=at) for at, name in enumerate("abc")] == [0, 1, 2]
    assert table.rows(2).tolist() == [[0, 1, 2]] * 2
    with pytest.raises(ValueError, match="b: is a column of this table already"):
        table.column("b", "units", "again")


def test_the_constants_are_the_indices_of_their_names() -> None:
    """Spot checks by hand; that all of them agree is what the slow twin shows, which reads columns by name."""
    assert INTS.names[columns.COMPLAINTS] == "new_complaints"
    assert INTS.names[columns.WRONG_NETWORK_C] == "cum_wrong_network_cents"
    assert FLOATS.names[columns.TRUST] == "trust"
    assert RAILS.names[columns.TRANSIT_C] == "transit_cents"
    assert ROWS.names[columns.ACCEPTED] == "accepted"
    assert DRAWN_ROWS.names[columns.ROW_CENTS] == "cents"


def test_two_lines_by_class_of_what_comes_again_stand_together_in_the_order_of_the_classes() -> None:
    """The kernel counts from AGAIN on: number and cents of PASSING, DROPPING and FORBIDDEN."""
    assert DUE.names[columns.AGAIN : columns.AGAIN + 2 * columns.CLASSES] == (
        "again", "again_cents", "again_dropping", "again_dropping_cents", "again_forbidden", "again_forbidden_cents",
    )  # fmt: skip
    assert (columns.PASSING, columns.DROPPING, columns.FORBIDDEN) == (0, 1, 2)


def test_flags_of_a_row_are_bits_of_their_own() -> None:
    flags = (
        columns.REVIEWED_ROW, columns.HELD_ROW, columns.DROPPED_ROW, columns.BREACHING_ROW, columns.ADDRESS_ROW,
        columns.NETWORK_ROW,
    )  # fmt: skip
    assert sum(flags) == 0b111111
    assert all(flag.bit_count() == 1 for flag in flags)


def test_an_event_stream_has_a_column_for_what_is_still_asked_for() -> None:
    found = {name: one for name, one in DECLARED_STREAMS.items() if f"pending_{name}" in FLOATS.names}
    assert {one.number for one in found.values()} == set(PENDING_COLUMNS)
    assert all(FLOATS.names[PENDING_COLUMNS[one.number]] == f"pending_{name}" for name, one in found.items())
    assert FLOATS.names[columns.LIMITED_PENDING] == "pending_limited"


def test_a_stream_has_the_column_of_its_share() -> None:
    for number, (name, stream) in enumerate(DECLARED_STREAMS.items()):
        assert stream.number == number
        assert FLOATS.names[stream.share] == f"admitted_{name}"
        assert columns.ADMISSION_COLUMNS[number] == stream.share


def test_trust_is_whole_and_a_rail_at_its_first_minute_before_the_run() -> None:
    levels = state_of(
        FeedbackParameters(rails=(RailParameters(),) * 2),
        FeedbackInputs(requests=np.zeros((2, columns.CLASSES, 2, 3), np.int64)),
        3,
    )
    assert levels.floats[0, columns.TRUST] == 1.0
    assert levels.rail_places[:, columns.LINE_AT].tolist() == [1, 1]
    assert levels.rail_places[:, columns.LINE_HEAD].tolist() == [-1, -1]
    assert levels.places[columns.REVIEW_HEAD] == -1


def test_requests_of_another_shape_than_the_rails_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got requests of shape \(1, 3, 2, 3\); must be \(2, 3, 2, 3\)"):
        state_of(FeedbackParameters(rails=(RailParameters(),) * 2), FeedbackInputs(requests=np.zeros((1, 3, 2, 3))), 3)


def parameters(of: Any) -> list[Any]:
    """Return the fields of a dataclass of parameters that are numbers, those of mechanisms within it included."""
    inner = [one for each in fields(of) if is_dataclass(value := getattr(of, each.name)) for one in parameters(value)]
    return inner + [each for each in fields(of) if isinstance(getattr(of, each.name), int | float)]


def test_every_parameter_has_a_unit_and_a_meaning() -> None:
    found = [*parameters(FeedbackParameters()), *parameters(RailParameters())]
    assert len(found) > 40
    assert all(one.metadata["unit"] and len(one.metadata["meaning"]) > 3 for one in found)


@dataclass(frozen=True)
class Inner:
    share: float = parameter(0.5, "share", "of something")


@dataclass(frozen=True)
class Outer:
    minutes: int = parameter(3, "minutes", "until something")
    rails: tuple[int, ...] = ()
    refund: Inner = field(default_factory=Inner)


def test_a_record_has_the_numbers_of_every_mechanism_each_of_the_kind_of_its_default() -> None:
    assert numbers_of(Outer()) == {"minutes": 3, "refund_share": 0.5}
    (record,) = record_of(Outer(minutes=4, refund=Inner(share=1)))
    assert (record["minutes"], record["refund_share"]) == (4, 1.0)
    assert record.dtype["refund_share"] == np.float64
    assert record.dtype["minutes"] == np.int64

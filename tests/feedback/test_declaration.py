"""What the mechanisms of the kernel declare: each column and number once, with its unit, meaning and index."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from sim.feedback import FeedbackParameters, RailParameters, columns, state_of
from sim.feedback.declaration import (
    CARRIES,
    DECLARED_STREAMS,
    DUE,
    EXOGENOUS,
    FLOATS,
    INTS,
    PLACES,
    RAIL_NUMBERS,
    RAILS,
    SUMS,
    Table,
    numbers_of,
    parameter,
    record_of,
)
from sim.feedback.inputs import FeedbackInputs

TABLES = (INTS, FLOATS, RAILS, EXOGENOUS, CARRIES, DUE, RAIL_NUMBERS, PLACES, SUMS)


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
    assert columns.ADMITTED_NETWORK == columns.ADMITTED_ADDRESS + 1, "the kernel counts from one mistake to the next"
    assert columns.WRONG_NETWORK == columns.WRONG_ADDRESS + 1
    assert columns.WRONG_NETWORK_C == columns.WRONG_ADDRESS_C + 1


def test_a_stream_has_the_column_of_its_share() -> None:
    for number, (name, stream) in enumerate(DECLARED_STREAMS.items()):
        assert stream.number == number
        assert FLOATS.names[stream.share] == f"admitted_{name}"
        assert columns.ADMISSION_COLUMNS[number] == stream.share


def test_trust_is_whole_and_a_rail_at_its_first_minute_before_the_run() -> None:
    levels = state_of(
        FeedbackParameters(rails=(RailParameters(),) * 2), FeedbackInputs(requests=np.zeros((2, 4, 3))), 3
    )
    assert levels.floats[0, columns.TRUST] == 1.0
    assert levels.places[columns.RAIL_AT :].tolist() == [1, 0, 0, 1, 0, 0]


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

"""The quantities of a scenario: each type knows its bounds, its unit and its rule in words.

A value is taken as written or refused: text, booleans, NaN and infinity are no numbers.
A model's field names its type directly, or with a unit and bounds of its own::

    share: Share
    agents: Annotated[int, Whole("agents")]
    hour: Annotated[float, Number("hours", low=0, high=24)]

Every refusal is an error of pydantic's, of type ``rule``, whose context carries the rule in words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from sim.core.clock import DAY_MS, DURATION_RULE, HOUR_MS, LONGEST_MS, MINUTE_MS, SECOND_MS, duration_ms, parse_utc

LARGEST = 2**53
"""Whole numbers beyond this are refused: a float, and so JSON elsewhere, cannot distinguish them."""

RULE_TYPE = "rule"
_EXACT_UNITS = (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS), ("s", SECOND_MS))
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_NAME = re.compile(r"[\w-]{1,64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def broken(rule: str) -> PydanticCustomError:
    """Return the error of a value that breaks ``rule``, a sentence that begins with "must"."""
    return PydanticCustomError(RULE_TYPE, "{rule}", {"rule": rule})


def exact_duration_text(ms: int) -> str:
    """Return text that ``duration_ms`` reads back as exactly ``ms``: 720000 gives ``"12 min"``."""
    for unit, unit_ms in _EXACT_UNITS:
        if ms and ms % unit_ms == 0:
            return f"{ms // unit_ms} {unit}"
    return f"{ms} ms"


class Part(BaseModel):
    """A table of a scenario: frozen, unknown keys refused, nothing converted in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Quantity:
    """What the quantities share: a check from raw value to value, and the way back to JSON."""

    def check(self, raw: Any) -> Any:
        """Return the value of what a file says. Raises the rule's error for anything else."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what a file may say."""
        raise NotImplementedError

    back: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        back = None
        if self.back is not None:
            back = core_schema.plain_serializer_function_ser_schema(self.back, when_used="json")
        return core_schema.no_info_plain_validator_function(self.check, serialization=back)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json_schema()


def _of(noun: str, unit: str) -> str:
    """Return "a number of agents"."""
    return f"{noun} of {unit}" if unit else noun


def bounds(low: float | None, high: float | None, above: float | None) -> str:
    """Return the bounds in words, to follow "must be a number of agents"."""
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    if above is not None:
        return f" above {above:,}" + (f", {high:,} at most" if high is not None else "")
    if low is not None:
        return f", {low:,} or more"
    return f", {high:,} at most" if high is not None else ""


@dataclass(frozen=True)
class Number(Quantity):
    """A finite number within bounds (``above`` excludes its bound, ``low`` and ``high`` include theirs)."""

    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    noun: str = "a number"

    @property
    def rule(self) -> str:
        """The rule in words, with the unit."""
        return f"must be {_of(self.noun, self.unit)}{bounds(self.low, self.high, self.above)}"

    def check(self, raw: Any) -> float:
        """Return the number as a float. Raises the rule's error for anything else."""
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise broken(self.rule)
        if isinstance(raw, int) and abs(raw) > LARGEST:
            raise broken(f"{self.rule} (whole numbers up to {LARGEST:,})")
        value = float(raw)
        if not math.isfinite(value):
            raise broken(f"{self.rule}, and finite")
        low_enough = self.high is None or value <= self.high
        high_enough = (self.low is None or value >= self.low) and (self.above is None or value > self.above)
        if not (low_enough and high_enough):
            raise broken(self.rule)
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the number."""
        schema: dict[str, Any] = {"type": "number", "minimum": self.low, "maximum": self.high}
        schema |= {"exclusiveMinimum": self.above, "x-unit": self.unit or None, "x-rule": self.rule}
        return {key: value for key, value in schema.items() if value is not None}


@dataclass(frozen=True)
class Whole(Quantity):
    """A whole number within bounds, 0 or more unless its bounds say otherwise."""

    unit: str = ""
    low: int | None = 0
    high: int | None = None

    @property
    def rule(self) -> str:
        """The rule in words, with the unit."""
        return f"must be {_of('a whole number', self.unit)}{bounds(self.low, self.high, None)}"

    def check(self, raw: Any) -> int:
        """Return the whole number. Raises the rule's error for anything else, 3.0 included."""
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise broken(self.rule)
        if abs(raw) > LARGEST:
            raise broken(f"{self.rule} (and up to {LARGEST:,})")
        if (self.low is not None and raw < self.low) or (self.high is not None and raw > self.high):
            raise broken(self.rule)
        return raw

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the number."""
        schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        schema |= {"x-unit": self.unit or None, "x-rule": self.rule}
        return {key: value for key, value in schema.items() if value is not None}


@dataclass(frozen=True)
class Lasting(Quantity):
    """A duration in quotes, kept as integer milliseconds within bounds."""

    low_ms: int = 1
    high_ms: int = LONGEST_MS

    @property
    def rule(self) -> str:
        """The rule in words, with the bounds that a typing error is likely to break."""
        low, high = exact_duration_text(self.low_ms), exact_duration_text(self.high_ms)
        if self.high_ms < LONGEST_MS:
            return f"{DURATION_RULE}, from {low} to {high}"
        return f"{DURATION_RULE}, {low} or more"

    def check(self, raw: Any) -> int:
        """Return the milliseconds of a quoted duration. Raises the rule's error for anything else."""
        if not isinstance(raw, str):
            raise broken(self.rule)
        try:
            ms = duration_ms(raw)
        except ValueError as error:
            raise broken(self.rule if str(error) == DURATION_RULE else str(error)) from None
        if not self.low_ms <= ms <= self.high_ms:
            raise broken(self.rule)
        return ms

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the text."""
        pattern = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h|d|w)\s*$"
        return {"type": "string", "pattern": pattern, "x-unit": "duration", "x-rule": self.rule}

    @staticmethod
    def back(ms: int) -> str:
        """Return the duration as text that reads back as the same milliseconds."""
        return exact_duration_text(ms)


class _Day(Quantity):
    """A calendar date, as TOML writes it or as text: ``2020-03-12``."""

    rule = "must be a date: year-month-day (such as 2020-03-12)"

    def check(self, raw: Any) -> date:
        if isinstance(raw, date) and not isinstance(raw, datetime):
            return raw
        if isinstance(raw, str) and _DATE.fullmatch(raw):
            try:
                return date.fromisoformat(raw)
            except ValueError:
                pass
        raise broken(self.rule)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date", "x-rule": self.rule}

    back = staticmethod(date.isoformat)


class _Instant(Quantity):
    """A UTC instant: a TOML date or date-time, or its text; without a zone it is read as UTC."""

    rule = "must be a date or a date and time in UTC (such as 2020-03-12 or 2020-03-12T06:00:00Z)"

    def check(self, raw: Any) -> datetime:
        try:
            if isinstance(raw, datetime | date):
                return parse_utc(raw.isoformat())
            if isinstance(raw, str):
                return parse_utc(raw)
        except (ValueError, OverflowError):
            pass
        raise broken(self.rule)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "x-unit": "UTC", "x-rule": self.rule}

    @staticmethod
    def back(when: datetime) -> str:
        return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _TimeOfDay(Quantity):
    """A time of day in UTC as ``"HH:MM"``, kept as milliseconds after midnight; 24:00 is the day's end."""

    rule = 'must be a time of day in UTC, in quotes: "HH:MM" from "00:00" to "24:00"'

    def check(self, raw: Any) -> int:
        if isinstance(raw, time) and not (raw.second or raw.microsecond):
            raw = raw.strftime("%H:%M")
        if not isinstance(raw, str) or not _TIME_OF_DAY.fullmatch(raw):
            raise broken(self.rule)
        return int(raw[:2]) * HOUR_MS + int(raw[3:]) * MINUTE_MS

    def json_schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": f"^({_TIME_OF_DAY.pattern})$",
            "x-unit": "UTC",
            "x-rule": self.rule,
        }

    @staticmethod
    def back(ms: int) -> str:
        return f"{ms // HOUR_MS:02}:{ms % HOUR_MS // MINUTE_MS:02}"


class _Words(Quantity):
    """Text that is not empty."""

    rule = "must be text in quotes, not empty"

    def check(self, raw: Any) -> str:
        if not isinstance(raw, str) or not raw.strip():
            raise broken(self.rule)
        return raw

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "x-rule": self.rule}


class _Name(Quantity):
    """A name that the scenario gives: it stands in key paths, in names of metrics and in names of files."""

    rule = "must be a name of letters, digits, _ and -, at most 64, such as front_desk"

    def check(self, raw: Any) -> str:
        if not isinstance(raw, str) or not _NAME.fullmatch(raw):
            raise broken(self.rule)
        return raw

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "x-rule": self.rule}  # with a pattern, tables would have patternProperties


Duration = Annotated[int, Lasting()]
"""Milliseconds, 1 or more, written as ``"12 min"``."""
DurationOrZero = Annotated[int, Lasting(low_ms=0)]
"""Milliseconds, 0 or more, written as ``"12 min"`` or ``"0 s"``."""
Share = Annotated[float, Number(low=0, high=1, noun="a share")]
Positive = Annotated[float, Number(above=0)]
NonNegative = Annotated[float, Number(low=0)]
Finite = Annotated[float, Number()]
Count = Annotated[int, Whole()]
Date = Annotated[date, _Day()]
Instant = Annotated[datetime, _Instant()]
TimeOfDay = Annotated[int, _TimeOfDay()]
"""Milliseconds after midnight UTC, written as ``"08:00"``."""
Text = Annotated[str, _Words()]
Name = Annotated[str, _Name()]
Agents = Annotated[int, Whole("agents", high=1_000_000)]
Cv = Annotated[float, Number(above=0, high=100)]
"""A coefficient of variation; beyond its bound nearly all of the mean comes from draws that never occur."""

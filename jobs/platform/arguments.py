"""Arguments of a command: a frozen dataclass whose annotations hold the bounds of each field.

A bound, a default and a help text are written once, in the class `Args` of a command. Three readers use them:
`jobs.platform.cli` (flags and `--help`), the class itself (every value is checked whenever an `Args` is built), and
`dags.forms` (the trigger form), which reads the source and imports neither torch nor Spark.

Bounds are those of annotated-types: `Ge`, `Gt`, `Le`, `Lt`, `Interval`, `MinLen`. `OneOf` and `Pattern` add what it lacks.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, NamedTuple, dataclass_transform, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Interval, Le, Lt, MinLen


class OneOf:
    """The value is one of these."""

    def __init__(self, *values: str | int) -> None:
        self.values = values


class Pattern:
    """The whole text matches a regular expression."""

    def __init__(self, regex: str) -> None:
        self.regex = regex


class First:
    """Marks a field that people change first: `--help` shows such fields and the required ones, `--help-all` the rest."""


FIRST = First()
PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
# of a softmax over cosines; where it is learnt, it stays within these bounds
Temperature = Annotated[float, Interval(ge=0.001, le=1)]
ZeroOrOne = Annotated[int, OneOf(0, 1)]
OnOff = Annotated[str, OneOf("on", "off")]
# a room and a name, such as search/champion
Alias = Annotated[str, Pattern("^[a-z][a-z_]*/[a-z][a-z_]*$")]
WindowDays = Annotated[int, Interval(ge=1, le=365)]

JSON_TYPES = {int: "integer", float: "number", str: "string"}


class _Bound(NamedTuple):
    """One kind of bound: the attribute that holds it, its name in JSON schema, its words and its test."""

    attribute: str
    keyword: str
    words: str
    holds: Callable[[Any, Any], bool]


BOUNDS: dict[type, _Bound] = {
    Ge: _Bound("ge", "minimum", "{} or more", operator.ge),
    Gt: _Bound("gt", "exclusiveMinimum", "above {}", operator.gt),
    Le: _Bound("le", "maximum", "at most {}", operator.le),
    Lt: _Bound("lt", "exclusiveMaximum", "below {}", operator.lt),
    MinLen: _Bound("min_length", "minLength", "{} characters or more", lambda text, least: len(text) >= least),
    OneOf: _Bound("values", "enum", "one of {}", lambda value, values: value in values),
    Pattern: _Bound("regex", "pattern", "text like {}", lambda text, regex: re.fullmatch(regex, text) is not None),
}


@dataclass(frozen=True)
class Argument:
    """One field: its type without annotations, its default (MISSING: required), its help and its bounds."""

    name: str
    kind: Any
    default: Any
    help: str
    bounds: tuple[Any, ...] = ()
    first: bool = False

    @classmethod
    def of(cls, name: str, annotation: Any, default: Any, text: str) -> Argument:
        """The argument that a field declares."""
        kind, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        bounds = tuple(note for note in _flat(notes) if type(note) in BOUNDS)
        return cls(name, kind, default, text, bounds, any(isinstance(note, First) for note in notes))

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def choices(self) -> tuple[str | int, ...]:
        """The values that it can take; empty where a bound or nothing limits them."""
        return next((bound.values for bound in self.bounds if isinstance(bound, OneOf)), ())

    @property
    def expected(self) -> str:
        """The bounds in words, such as `above 0, at most 1`; empty where there are no bounds."""
        limits = {kind.keyword: limit for kind, limit in self._limits()}
        if limits.keys() == {"minimum", "maximum"}:
            return f"{limits['minimum']:,} to {limits['maximum']:,}"
        return ", ".join(kind.words.format(_spelled(limit)) for kind, limit in self._limits())

    @property
    def schema(self) -> dict[str, Any]:
        """The type and the bounds as JSON schema."""
        limits = {kind.keyword: list(limit) if kind.keyword == "enum" else limit for kind, limit in self._limits()}
        return {"type": JSON_TYPES[self.kind], **limits}

    def check(self, value: Any) -> None:
        """Refuse a value of another type or outside the bounds.

        Raises:
            ValueError: names the field, the value and what was expected.
        """
        if self.kind in JSON_TYPES and not isinstance(value, (int, float) if self.kind is float else self.kind):
            raise ValueError(f"{self.name}={value!r}: expected {self.kind.__name__}")
        if not all(kind.holds(value, limit) for kind, limit in self._limits()):
            raise ValueError(f"{self.name}={value!r}: expected {self.expected}")

    def _limits(self) -> list[tuple[_Bound, Any]]:
        kinds = ((BOUNDS[type(bound)], bound) for bound in self.bounds)
        return [(kind, getattr(bound, kind.attribute)) for kind, bound in kinds]


@dataclass_transform(frozen_default=True)
class CommandArgs:
    """Base of every `Args`: makes a frozen dataclass of it, whose values are checked before its own `__post_init__`.

    `__post_init__` of a subclass checks only what ties two fields. Lines `name  text` of the docstring are the help.
    """

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        super().__init_subclass__()
        own = cls.__post_init__

        def checked(self: CommandArgs) -> None:
            if type(self) is cls:  # not once more for a base class
                for argument in arguments(cls).values():
                    argument.check(getattr(self, argument.name))
            own(self)

        cls.__post_init__ = checked  # type: ignore[method-assign]
        dataclass(frozen=True, kw_only=kw_only)(cls)

    def __post_init__(self) -> None:
        """Check what ties two fields; a subclass says what."""


def arguments(args_type: type[Any]) -> dict[str, Argument]:
    """The fields of an Args by name, those of its base classes too, in the order of the dataclass."""
    hints, texts = get_type_hints(args_type, include_extras=True), dict[str, str]()
    for part in reversed(args_type.__mro__):
        texts |= helps(part.__doc__ or "")
    return {
        field.name: Argument.of(field.name, hints[field.name], field.default, texts.get(field.name, ""))
        for field in fields(args_type)
    }


def helps(doc: str) -> dict[str, str]:
    """`name  text` lines of a docstring; a line of one word or no wide gap goes on with the one before."""
    texts: dict[str, str] = {}
    name = ""
    for line in doc.splitlines():
        if start := re.fullmatch(r"\s*(\w+)\s{2,}(\S.*)", line):
            name = start[1]
            texts[name] = start[2]
        elif name and line.strip():
            texts[name] += " " + line.strip()
        else:
            name = ""
    return texts


def _flat(notes: Iterable[Any]) -> Iterable[Any]:
    """Single bounds: an Interval is a group of them."""
    for note in notes:
        yield from note if isinstance(note, GroupedMetadata) else (note,)


def _spelled(limit: Any) -> str:
    """A limit in words: numbers with thousands separators, choices with commas, the empty text as `empty`."""
    if isinstance(limit, tuple):
        return ", ".join(str(value) if value != "" else "empty" for value in limit)
    return str(limit) if isinstance(limit, str) else f"{limit:,}"

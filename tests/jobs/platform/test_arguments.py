"""Bounds stand once, on the fields of Args: refused values, words, JSON schema, and what a subclass adds."""

from __future__ import annotations

import importlib
import math
from dataclasses import FrozenInstanceError, replace
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Interval, MinLen

from jobs.lake.commands import COMMANDS, module_of
from jobs.lake.partitions import NOWHERE, Partition
from jobs.platform.arguments import (
    FIRST,
    Argument,
    CommandArgs,
    Fraction,
    OneOf,
    OnOff,
    Pattern,
    PositiveFloat,
    PositiveInt,
    ZeroOrOne,
    arguments,
)

EVERY = [command for commands in COMMANDS.values() for command in commands]


class Base(CommandArgs, kw_only=True):
    """lr    learning rate
    mode  on: half of
          the steps
    """

    lr: PositiveFloat = 0.1
    mode: OnOff = "off"


class Args(Base, kw_only=True):
    """name   of the study
    share  of the rows
    lr     overrides the help of the base class
    """

    name: Annotated[str, MinLen(3), FIRST]
    share: Fraction = 0.5
    open: Annotated[float, Interval(gt=0, lt=1)] = 0.5
    steps: Annotated[PositiveInt, FIRST] = 10
    size: Annotated[int, Ge(1000)] = 1000
    again: ZeroOrOne = 0
    kind: Annotated[str, OneOf("", "a", "b")] = ""
    to: Annotated[str, Pattern("^(previous|[0-9a-f]+)?$")] = ""
    labels: Partition = NOWHERE

    def __post_init__(self) -> None:
        if self.steps < self.size / 1000:
            raise ValueError("steps and size do not fit")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": 0.0}, "lr=0.0: expected above 0"),  # a bound of the base class
        ({"lr": math.nan}, "lr=nan: expected above 0"),  # no comparison holds
        ({"mode": "yes"}, "mode='yes': expected one of on, off"),
        ({"name": "ab"}, "name='ab': expected 3 characters or more"),
        ({"share": 1.01}, "share=1.01: expected 0 to 1"),
        ({"open": 1}, "open=1: expected above 0, below 1"),
        ({"steps": 0}, "steps=0: expected 1 or more"),
        ({"size": 999}, "size=999: expected 1,000 or more"),
        ({"again": 2}, "again=2: expected one of 0, 1"),
        ({"kind": "c"}, "kind='c': expected one of empty, a, b"),
        ({"to": "previous2"}, r"to='previous2': expected text like \^\(previous"),
        ({"steps": "3"}, "steps='3': expected int"),
        ({"steps": 3.5}, "steps=3.5: expected int"),
        ({"name": 3}, "name=3: expected str"),
        ({"size": 11_000, "steps": 10}, "steps and size do not fit"),  # what ties two fields is checked too
    ],
)
def test_a_wrong_value_is_refused_however_args_is_built(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Args(**({"name": "abc"} | given))
    with pytest.raises(ValueError, match=message):
        replace(Args(name="abc"), **given)


def test_values_on_a_bound_are_taken_and_fields_cannot_be_set() -> None:
    args = Args(name="abc", share=1, open=0.001, to="3f", kind="a")
    assert (args.share, args.lr) == (1, 0.1)
    with pytest.raises(FrozenInstanceError):
        args.share = 2.0


def test_an_argument_has_its_help_from_the_docstring_its_marks_and_a_schema() -> None:
    known = arguments(Args)
    assert list(known)[:3] == ["lr", "mode", "name"]
    assert [name for name, argument in known.items() if argument.first] == ["name", "steps"]
    assert [name for name, argument in known.items() if argument.required] == ["name"]
    assert known["lr"].help == "overrides the help of the base class"
    assert known["mode"].help == "on: half of the steps"
    assert known["lr"].schema == {"type": "number", "exclusiveMinimum": 0}
    assert known["share"].schema == {"type": "number", "minimum": 0, "maximum": 1}
    assert known["kind"].schema == {"type": "string", "enum": ["", "a", "b"]}
    assert known["to"].schema["pattern"].startswith("^")
    assert known["steps"].schema == {"type": "integer", "minimum": 1}
    assert known["name"].schema == {"type": "string", "minLength": 3}
    assert Argument.of("x", Partition, NOWHERE, "").bounds == ()


@pytest.mark.parametrize("command", EVERY)
def test_every_commands_arguments_are_checked_explained_and_within_their_bounds(command: str) -> None:
    args_type = importlib.import_module(module_of(command)).Args
    assert issubclass(args_type, CommandArgs)
    known = arguments(args_type)
    for argument in known.values():
        assert argument.help, argument.name
        if not argument.required:
            argument.check(argument.default)
    assert sum(argument.first for argument in known.values()) <= 6
    if sum(not argument.required for argument in known.values()) > 15 and command != "simulate":
        assert any(argument.first for argument in known.values()), "too many settings for one page of --help"

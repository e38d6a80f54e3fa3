"""The language of a sweep: flags of jobs.towers.train and jobs.towers.mine by their own names, and what they range over.

`batch_size=256,1024;temperature=0.03..0.1~;r_min=0,10,100;star=continue,restart`

- `a,b,c` is a list, `low..high` a range, `low..high~` a range on a logarithmic scale.
- `star.epochs`, `in_batch.lr`: of that step alone; `negatives.margin`, `towers.margin`: where both have it.
- `star=restart`: step 3 trains new towers with the negatives that step 1 mined (its flag `restart`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.experiments.flags import RESTART, Setting, Target, Value, target_of
from jobs.lake.partitions import Partition


@dataclass(frozen=True)
class Dimension:
    """One swept flag: its values in the order given, or a range."""

    name: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def numeric(self) -> bool:
        """Whether a curve can be drawn over it."""
        return not any(isinstance(value, str) for value in self.values)


def parse_space(text: str) -> list[Dimension]:
    """Read what is swept.

    Raises:
        ValueError: an unknown flag, a value that the flag does not take, an empty list or range.
    """
    return [_dimension(name, values) for name, values in _parts("space", text)]


def parse_fixed(text: str) -> dict[str, Value]:
    """Read settings of one value each; Partition flags (prodbert) keep their address as text.

    Raises:
        ValueError: as parse_space, or a list where one value is expected.
    """
    found: dict[str, Value] = {}
    for name, value in _parts("fixed", text):
        target = target_of(name)
        if target.kind is Partition and target.flag != "prodbert":
            raise ValueError(f"{name}={value}: a sweep sets this partition itself; prodbert alone can be given")
        if "," in value and target.kind is not str:
            raise ValueError(f"fixed: {name}={value}: expected one value; a list belongs into space")
        found[name] = _typed(name, target, value)
    return found


def parse_point(text: str, dimensions: Sequence[Dimension]) -> dict[str, Value]:
    """Read a point as `point_name` writes it."""
    found = dict(_parts("point", text))
    if list(found) != [one.name for one in dimensions]:
        raise ValueError(f"point={text!r}: expected a value of each of {', '.join(one.name for one in dimensions)}")
    return {name: _typed(name, target_of(name), value) for name, value in found.items()}


def point_name(point: Setting) -> str:
    """A point in the language of the space: how a trial is called everywhere."""
    return ";".join(f"{name}={value}" for name, value in point.items())


def grid(dimensions: Sequence[Dimension]) -> list[dict[str, Value]]:
    """Every combination, the last flag varying fastest.

    Raises:
        ValueError: a flag has a range instead of a list.
    """
    if ranges := [one.name for one in dimensions if not one.values]:
        raise ValueError(
            f"sampler=grid: {', '.join(ranges)} has a range; list its values, or take sampler random or tpe"
        )
    names = [one.name for one in dimensions]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(one.values for one in dimensions))]


def _parts(what: str, text: str) -> list[tuple[str, str]]:
    parts = [part.strip() for part in text.split(";") if part.strip()]
    pairs = [(name.strip(), value.strip()) for name, _, value in (one.partition("=") for one in parts)]
    for part, (name, value) in zip(parts, pairs, strict=True):
        if not name or not value:
            raise ValueError(f"{what}: found {part!r}, expected flag=value, several parted by `;`")
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{what}: {', '.join(sorted(twice))} is given twice")
    return pairs


def _dimension(name: str, text: str) -> Dimension:
    target = target_of(name)
    if target.kind is Partition:
        raise ValueError(f"space: {name} is a partition; it can be fixed, not swept")
    low, dots, high = text.partition("..")
    if not dots:
        values = tuple(_typed(name, target, one.strip()) for one in text.split(","))
        if len(set(values)) < len(values):
            raise ValueError(f"space: {name}={text} names a value twice")
        return Dimension(name, values)
    if target.kind not in (int, float):
        raise ValueError(f"space: {name}={text}: a range wants numbers; list the values")
    log, high = high.endswith("~"), high.removesuffix("~")
    ends = [float(_typed(name, target, one.strip())) for one in (low, high)]
    if not ends[0] < ends[1] or (log and ends[0] <= 0):
        raise ValueError(f"space: {name}={text}: expected low < high" + (", low > 0" if log else ""))
    return Dimension(name, (), ends[0], ends[1], log, target.kind is int)


def _typed(name: str, target: Target, text: str) -> Value:
    if name == "star" and text not in RESTART:
        raise ValueError(f"star={text!r}: expected continue or restart")
    if target.kind is Partition:
        return str(Partition.parse(text))
    try:
        value: Value = target.kind(text)
    except ValueError:
        raise ValueError(f"{name}={text!r}: expected {target.kind.__name__}, as {target.job} has it") from None
    return value

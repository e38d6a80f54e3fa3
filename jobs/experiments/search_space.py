"""Settings of a sweep: flags of `towers` and `negatives`, or of `item2vec`, by their own names, and the values that they take.

`batch_size=256,1024;temperature=0.03..0.1~;r_min=0,10,100;star=continue,restart`

- `a,b,c` is a list, `low..high` a range, `low..high~` a range on a logarithmic scale.
- `star.epochs`, `in_batch.lr`: the flag of that step alone. `negatives.margin`, `towers.margin`: a flag of both commands.
- `item2vec.epochs`: a flag that towers have too; without the name of its command it is that of towers.
- `star=restart`: step 3 trains new towers with the negatives that step 1 mined (its flag `restart`).
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from jobs.lake.commands import module_of
from jobs.lake.partitions import NOWHERE, Partition

COMMANDS = ("towers", "negatives", "item2vec")
STEPS = ("in_batch", "star")
METHODS = ("prod2vec", "meta_prod2vec")  # of item2vec
# the commands of a study's stages, by name
TOWER_STAGES = {"in_batch": "towers", "negatives": "negatives", "star": "towers"}
ITEM_STAGES = dict.fromkeys(METHODS, "item2vec")
# flags without an effect where there are no hard negatives: step 1 is the same for all their values
STAR_ONLY = {
    *("hard_negatives", "share_hard_negatives", "hard_weight", "easy_per_hard", "hard_ramp_frac"),
    *("start_lr_frac", "restart", "fallback"),
}
RESTART = {"continue": "off", "restart": "on"}
Value = str | int | float
Setting = Mapping[str, Value]
Space = Mapping[str, BaseDistribution]


class Target(NamedTuple):
    """The flag behind a name. stages: those of TOWER_STAGES or ITEM_STAGES whose command gets it."""

    command: str
    flag: str
    kind: type
    stages: tuple[str, ...]


def parse_space(text: str) -> dict[str, BaseDistribution]:
    """Read the flags that vary, and their values.

    Raises:
        ValueError: an unknown flag, a value that the flag does not take, an empty list or range.
    """
    return {name: _distribution(name, values) for name, values in _pairs("space", text).items()}


def parse_fixed(text: str) -> dict[str, Value]:
    """Read settings of one value each; a Partition flag (prodbert) keeps its address as text.

    Raises:
        ValueError: as parse_space, or a list where one value is expected.
    """
    fixed: dict[str, Value] = {}
    for name, value in _pairs("fixed", text).items():
        target = target_of(name)
        if target.kind is Partition and target.flag != "prodbert":
            raise ValueError(f"{name}={value}: a sweep sets this partition itself; prodbert alone can be given")
        if "," in value and target.kind is not str:
            raise ValueError(f"fixed: {name}={value}: expected one value; a list belongs into space")
        fixed[name] = _typed(name, target, value)
    return fixed


def point_name(setting: Setting) -> str:
    """The name of a trial everywhere: its setting in the language of the space."""
    return ";".join(f"{name}={value}" for name, value in setting.items())


def grid(space: Space) -> list[dict[str, Value]]:
    """Every combination, the last flag varying fastest.

    Raises:
        ValueError: a flag has a range instead of a list.
    """
    varied = space.items()
    lists: dict[str, Any] = {name: kind.choices for name, kind in varied if isinstance(kind, CategoricalDistribution)}
    if ranges := space.keys() - lists:
        raise ValueError(
            f"sampler=grid: {', '.join(sorted(ranges))} has a range; list its values, or take sampler random or tpe"
        )
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def is_numeric(values: BaseDistribution) -> bool:
    """Whether a curve can be drawn over these values."""
    choices = values.choices if isinstance(values, CategoricalDistribution) else ()
    return not any(isinstance(choice, str) for choice in choices)


def flags_of(setting: Setting, commands: Mapping[str, str] = TOWER_STAGES) -> dict[str, dict[str, Value]]:
    """The flags of each stage of a trial: in_batch (step 1), negatives, star (step 3), or the methods of item2vec.

    commands: stage -> command.

    Raises:
        ValueError: the command refuses them together, or no stage has the flag.
    """
    flags: dict[str, dict[str, Value]] = {stage: {} for stage in commands}
    # a flag of one step wins over the same flag of both, in any order
    for name in sorted(setting, key=lambda name: "." in name):
        target = target_of(name)
        if target.stages[0] not in flags:
            own = sorted({*commands.values()})
            hint = "; ".join(f"write {one}.{target.flag}" for one in own if target.flag in _fields(one))
            raise ValueError(
                f"{name}: a flag of {target.command}, and this study runs {', '.join(own)}{'; ' if hint else ''}{hint}"
            )
        for stage in target.stages:
            flags[stage][target.flag] = RESTART[str(setting[name])] if name == "star" else setting[name]
    for stage, values in flags.items():
        _check(commands[stage], values)
    return flags


def target_of(name: str) -> Target:
    """The flag that a name means.

    Raises:
        ValueError: no command has it, or both have and the name does not choose.
    """
    if name == "star":
        return Target("towers", "restart", str, ("star",))
    where, _, flag = name.rpartition(".")
    if where and where not in (*STEPS, *COMMANDS):
        raise ValueError(f"{name}: {where} is no step; expected one of {', '.join((*STEPS, *COMMANDS))}")
    owners = [command for command in COMMANDS if flag in _fields(command)]
    if where:
        owners = [command for command in owners if command == (where if where in COMMANDS else "towers")]
    elif len(owners) > 1:
        owners = [command for command in owners if command != "item2vec"]
    if not owners:
        raise ValueError(_unknown(name, where, flag))
    if flag == "seed":
        raise ValueError("seed: each setting is trained with `seeds` seeds; it is not swept or fixed")
    if len(owners) > 1:
        raise ValueError(f"{name}: both commands have this flag; write towers.{name} or negatives.{name}")
    stages = {"negatives": ("negatives",), "item2vec": METHODS}.get(
        owners[0], ("star",) if flag in STAR_ONLY else STEPS
    )
    return Target(owners[0], flag, _fields(owners[0])[flag], (where,) if where in STEPS else stages)


def _unknown(name: str, where: str, flag: str) -> str:
    known = sorted({known for command in COMMANDS for known in _fields(command)})
    near = difflib.get_close_matches(flag, known, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; they have {', '.join(known)}"
    owner = f"{where if where in COMMANDS else 'towers'} has" if where else "towers, negatives and item2vec have"
    return f"{name}: {owner} no flag {flag}{hint}"


@cache
def _fields(command: str) -> dict[str, type]:
    return get_type_hints(importlib.import_module(module_of(command)).Args)


def _check(command: str, flags: Setting) -> None:
    """Let the command's own Args check the values, with no partition given."""
    args = importlib.import_module(module_of(command)).Args
    empty = {field.name: NOWHERE for field in dataclasses.fields(args) if field.default is dataclasses.MISSING}
    given: dict[str, Any] = {name: value for name, value in flags.items() if _fields(command)[name] is not Partition}
    try:
        args(**{**empty, **given})
    except ValueError as error:
        words = " ".join(f"{name}={value}" for name, value in flags.items())
        raise ValueError(f"{command} refuses {words}: {error}") from error


def _pairs(flag: str, text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, value = (word.strip() for word in part.partition("=")[::2])
        if not name or not value:
            raise ValueError(f"{flag}: found {part!r}, expected flag=value, several parted by `;`")
        if name in pairs:
            raise ValueError(f"{flag}: {name} is given twice")
        pairs[name] = value
    return pairs


def _distribution(name: str, text: str) -> BaseDistribution:
    target = target_of(name)
    if target.kind is Partition:
        raise ValueError(f"space: {name} is a partition; it can be fixed, not swept")
    low, dots, high = text.partition("..")
    if not dots:
        values = [_typed(name, target, value.strip()) for value in text.split(",")]
        if len(set(values)) < len(values):
            raise ValueError(f"space: {name}={text} names a value twice")
        return CategoricalDistribution(values)
    if target.kind not in (int, float):
        raise ValueError(f"space: {name}={text}: a range wants numbers; list the values")
    log, high = high.endswith("~"), high.removesuffix("~")
    first, last = (float(_typed(name, target, end.strip())) for end in (low, high))
    if not first < last or (log and first <= 0):
        raise ValueError(f"space: {name}={text}: expected low < high" + (", low > 0" if log else ""))
    if target.kind is int:
        return IntDistribution(int(first), int(last), log=log)
    return FloatDistribution(first, last, log=log)


def _typed(name: str, target: Target, text: str) -> Value:
    if name == "star" and text not in RESTART:
        raise ValueError(f"star={text!r}: expected continue or restart")
    if target.kind is Partition:
        return str(Partition.parse(text))
    try:
        value: Value = target.kind(text)
    except ValueError:
        raise ValueError(
            f"{name}={text!r}: expected {target.kind.__name__}, the type of this flag of {target.command}"
        ) from None
    return value

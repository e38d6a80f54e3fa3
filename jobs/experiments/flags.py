"""Whose flag a setting is, and which commands of a trial it enters: asked of the jobs' own Args."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from jobs.lake.commands import module_of
from jobs.lake.partitions import NOWHERE, Partition

JOBS = ("towers", "negatives")
STEPS = ("in_batch", "star")
# flags that say nothing without hard negatives: step 1 is the same whatever they are
STAR_ONLY = frozenset(
    {
        "hard_negatives",
        "share_hard_negatives",
        "hard_weight",
        "easy_per_hard",
        "hard_ramp_frac",
        "start_lr_frac",
        "restart",
        "fallback",
    }
)
RESTART = {"continue": "off", "restart": "on"}
Value = str | int | float
Setting = Mapping[str, Value]


@dataclass(frozen=True)
class Target:
    """Where a setting goes. stages: those of in_batch, negatives and star whose command it enters."""

    job: str
    flag: str
    kind: type
    stages: tuple[str, ...]


def flags_of(setting: Setting) -> dict[str, dict[str, Value]]:
    """The flags of each command: in_batch (step 1), negatives, star (step 3).

    Raises:
        ValueError: the job refuses them together.
    """
    found: dict[str, dict[str, Value]] = {"in_batch": {}, "negatives": {}, "star": {}}
    # a flag of one step wins over the same flag of both, whatever the order
    for name in sorted(setting, key=lambda name: "." in name):
        target = target_of(name)
        value = RESTART[str(setting[name])] if name == "star" else setting[name]
        for stage in target.stages:
            found[stage][target.flag] = value
    for stage, flags in found.items():
        _accepted("negatives" if stage == "negatives" else "towers", flags)
    return found


def target_of(name: str) -> Target:
    """Whose flag a name is.

    Raises:
        ValueError: nobody's, or both jobs' and not said whose.
    """
    if name == "star":
        return Target("towers", _known("towers", "restart", name), str, ("star",))
    where, dot, flag = name.rpartition(".")
    if dot and where not in (*STEPS, *JOBS):
        raise ValueError(f"{name}: {where} is no step; expected one of {', '.join((*STEPS, *JOBS))}")
    owners = [job for job in JOBS if flag in _fields(job)]
    if where in JOBS:
        owners = [where]
    elif where in STEPS:
        owners = ["towers"]
    if len(owners) > 1 and flag != "seed":
        raise ValueError(f"{name}: both jobs have this flag; write towers.{name} or negatives.{name}")
    job = owners[0] if owners else "towers"
    _known(job, flag, name)
    if flag == "seed":
        raise ValueError("seed: each setting is trained with `seeds` seeds; it is not swept or fixed")
    stages = ("negatives",) if job == "negatives" else STEPS
    if where in STEPS:
        stages = (where,)
    elif flag in STAR_ONLY:
        stages = ("star",)
    return Target(job, flag, _fields(job)[flag], stages)


def _known(job: str, flag: str, name: str) -> str:
    if flag in _fields(job):
        return flag
    everything = sorted({one for job in JOBS for one in _fields(job)})
    near = difflib.get_close_matches(flag, everything, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; they have {', '.join(everything)}"
    whose = "towers and negatives have" if job in JOBS and "." not in name else f"{job} has"
    raise ValueError(f"{name}: {whose} no flag {flag}{hint}")


@cache
def _fields(job: str) -> dict[str, type]:
    return get_type_hints(importlib.import_module(module_of(job)).Args)


def _accepted(job: str, flags: Mapping[str, Value]) -> None:
    """Let the job's own Args check the values, with no partition given."""
    args = importlib.import_module(module_of(job)).Args
    empty = {field.name: NOWHERE for field in dataclasses.fields(args) if field.default is dataclasses.MISSING}
    given: dict[str, Any] = {name: value for name, value in flags.items() if _fields(job)[name] is not Partition}
    try:
        args(**{**empty, **given})
    except ValueError as error:
        spelled = " ".join(f"{name}={value}" for name, value in flags.items())
        raise ValueError(f"{job} refuses {spelled}: {error}") from error

"""What one expectation found, as a sentence, and what of a result may be kept: counts, never a value of the data."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from jobs.lake.read import Pinned
from jobs.quality.derived_columns import SCHEMA

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

COUNTS = ("element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent")
BANDS = ("observed_value", "low", "high", "history_days")

NOTHING = "no figure: no rows, or a column that is not there"


@dataclass(frozen=True)
class Finding:
    """One expectation and what it found. on_fail: stop or warn."""

    rule: str
    kind: str
    why: str
    on_fail: str
    success: bool
    found: str
    computed: bool

    def __str__(self) -> str:
        return f"{self.rule} [{self.kind}]: found {self.found}; {self.why}"


def finding_of(result: ExpectationValidationResult, schema: str, derived: Collection[str]) -> Finding:
    """The sentence's parts. schema: the columns that the files have; derived: names of derived columns."""
    config: Any = result.expectation_config
    meta = config.meta
    column = config.kwargs.get("column")
    if column == SCHEMA and not result.success:
        found = schema
    elif named := config.kwargs.get("figure"):
        share = (named.startswith("mean ") and named.split()[1] in derived) or "_frac " in named
        found = _compared(result.result, "psi" if "max_psi" in config.kwargs else "%" if share else "")
    else:
        # a derived column is never a quantity to be averaged, only a flag: its mean is a share
        share = "mean" in config.type and column in derived or "proportion" in config.type
        found = _found(result.result, bool(result.success), share)
    return Finding(
        rule=config.description,
        kind=config.type,
        why=meta["why"],
        on_fail=meta["on_fail"],
        success=bool(result.success),
        found=found,
        computed=found != NOTHING,
    )


def _found(result: dict[str, Any], success: bool, share: bool) -> str:
    if result.get("unexpected_count") is not None:
        wrong, rows = result["unexpected_count"], result["element_count"]
        return f"{wrong:,} of {rows:,} rows otherwise" if wrong else f"all of {rows:,} rows"
    value = _figure(result.get("observed_value"))
    if value is None:
        return "nothing to fault" if success else NOTHING
    if isinstance(value, int):
        return f"{value:,} rows"  # the one figure that is an integer
    return f"{100 * value:.4g}%" if share else f"{value:.4g}"


def _compared(result: dict[str, Any], unit: str) -> str:
    """A figure and the range it was expected in; the first days of a table have no history to be compared with."""
    value, low, high, days = (_figure(result.get(name)) for name in BANDS)
    said = [] if value is None else [_say(value, unit)]
    if low is not None or high is not None:
        ends = [_say(end, unit) for end in (low, high) if end is not None]
        word = "" if len(ends) == 2 else "at least " if high is None else "at most "
        said.append(f"expected {word}{' to '.join(ends)}")
        if days:
            said.append(f"by {days:,} earlier days" if days > 1 else "by 1 earlier day")
    elif days is not None:
        said.append(f"no history yet ({days:,} earlier days)")
    return ", ".join(said) or "not stated, nothing to compare"


def _say(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.4g}%"
    if unit == "psi":
        return f"a shift of {value:.3g}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def _figure(value: object) -> int | float | None:
    """A finite number as Python's own, nothing else."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def keep_counts(result: ExpectationSuiteValidationResult, findings: Sequence[Finding], pinned: Pinned) -> None:
    """Take out whatever may be a value of the data, and say what was checked."""
    for one, finding in zip(result.results, findings, strict=True):
        figures = {name: _figure(one.result.get(name)) for name in (*COUNTS, *BANDS)}
        one.result = {name: value for name, value in figures.items() if value is not None}
        one.meta = {"found": finding.found}
        one.exception_info = {
            "raised_exception": not finding.computed,
            "exception_message": None if finding.computed else NOTHING,
            "exception_traceback": None,
        }
    manifest = pinned.manifest
    meta: dict[str, Any] = {**result.meta}
    meta["partition"] = {
        "name": str(pinned.partition),
        "rows": manifest.rows,
        "simulated": manifest.simulated,
        "created_at": manifest.created_at,
        "code_version": manifest.code_version,
        "manifest_sha256": pinned.manifest_sha256,
    }
    result.meta = meta

"""Great Expectations at work: one pinned partition in, what its suite found out.

The committed project is only read. Its checkpoints ask for counts, never for values, and what still might carry a value
(an exception's text, an observed string) is taken out before anything is stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.derived import DERIVED, SCHEMA, computable, pandas_frame, spark_frame
from jobs.file_schema import ddl, file_columns, spark_reads
from jobs.findings import Finding, finding_of, keep_counts
from jobs.reading import Pinned
from jobs.spark import spark_session
from jobs.tracking import home

if TYPE_CHECKING:
    from great_expectations.core import (
        ExpectationSuiteValidationResult,
    )
    from great_expectations.data_context.data_context.abstract_data_context import (
        AbstractDataContext,
    )
    from great_expectations.data_context.types.resource_identifiers import (
        ValidationResultIdentifier,
    )

log = logging.getLogger(__name__)
PROJECT = Path(__file__).resolve().parent.parent / "great_expectations"
ENGINES = ("pandas", "spark")
# how every checkpoint reports: counts, and not one of the values that failed
QUIET = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Outcome:
    """What a suite found on one version of a partition."""

    pinned: Pinned
    engine: str
    findings: tuple[Finding, ...]
    suite_sha256: str
    key: ValidationResultIdentifier

    @property
    def verdict(self) -> str:
        """stop, warn or pass: the worst of what failed."""
        failed = {finding.on_fail for finding in self.failed()}
        return next((word for word in ("stop", "warn") if word in failed), "pass")

    def failed(self, on_fail: str = "") -> list[Finding]:
        """Findings that failed, of one weight or of any."""
        return [
            finding
            for finding in self.findings
            if not finding.success and on_fail in ("", finding.on_fail)
        ]

    def texts(self, on_fail: str) -> list[str]:
        """What failed, as sentences. What could not be computed follows from the rest, and is only counted."""
        failed = self.failed(on_fail)
        said = [str(finding) for finding in failed if finding.computed]
        if not any(finding.computed for finding in self.failed()):
            return [str(finding) for finding in failed]
        if len(failed) > len(said):
            said.append(f"{len(failed) - len(said)} more could not be computed")
        return said


def project() -> AbstractDataContext:
    """The committed project, quiet, with results and Data Docs under NIGHTSHELF_HOME."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="great_expectations")
    import great_expectations

    return great_expectations.get_context(
        mode="file",
        context_root_dir=PROJECT,
        runtime_environment={"NIGHTSHELF_HOME": str(home())},
    )


def suite_file(table: str) -> Path:
    """The committed suite of a table; it may not exist."""
    return PROJECT / "expectations" / f"{table}.json"


def check(context: AbstractDataContext, pinned: Pinned, spark_rows: int) -> Outcome:
    """Run the table's checkpoint on this version, with Spark from `spark_rows` rows up if it can read them."""
    started = time.monotonic()
    table = pinned.partition.name
    suite = suite_file(table).read_bytes()
    expectations = json.loads(suite)["expectations"]
    wanted = columns_of(expectations)
    found = file_columns(pinned)
    schema = ddl(found)
    wanted = computable(pinned, wanted, found)
    if pinned.manifest.rows < spark_rows or not spark_reads(pinned):
        engine = "pandas"
        key, result = _run(context, pinned, engine, pandas_frame(pinned, wanted, schema))
    else:
        engine = "spark"
        with spark_session(f"expect {table}") as spark:
            frame = spark_frame(spark, pinned, wanted, schema).persist()
            key, result = _run(context, pinned, engine, frame)
            frame.unpersist()
    order = [one["description"] for one in expectations]
    results: list[Any] = result.results
    results.sort(key=lambda one: order.index(one.expectation_config.description))
    findings = tuple(finding_of(one, schema, DERIVED[table]) for one in results)
    keep_counts(result, findings, pinned)
    context.validation_results_store.set(key, result)
    outcome = Outcome(pinned, engine, findings, hashlib.sha256(suite).hexdigest(), key)
    log.info(
        "%s: %s, %d expectations on %s rows by %s in %.2f s",
        pinned.partition, outcome.verdict, len(findings), f"{pinned.manifest.rows:,}", engine,
        time.monotonic() - started,
    )  # fmt: skip
    return outcome


def columns_of(expectations: Sequence[dict[str, Any]]) -> list[str]:
    """Every column that one of the expectations names."""
    found: list[str] = []
    for expectation in expectations:
        kwargs = expectation["kwargs"]
        named = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
        found += [*(name for name in named if name), *kwargs.get("column_list", ())]
    return list(dict.fromkeys(found)) or [SCHEMA]


def _run(
    context: AbstractDataContext, pinned: Pinned, engine: str, frame: object
) -> tuple[ValidationResultIdentifier, ExpectationSuiteValidationResult]:
    """One checkpoint; the same version of a partition always has the same page, so that links hold."""
    import great_expectations

    created = datetime.fromisoformat(pinned.manifest.created_at).astimezone(UTC)
    checked = context.checkpoints.get(f"{pinned.partition.name}_{engine}").run(
        batch_parameters={"dataframe": frame},
        run_id=great_expectations.RunIdentifier(run_name=page_name(pinned), run_time=created),
    )
    ((key, result),) = checked.run_results.items()
    return key, result


def page_name(pinned: Pinned) -> str:
    """The partition's values as one name: ds=2026-01-31,towers=...,shard=0of2."""
    return ",".join(f"{key}={value}" for key, value in pinned.partition.pairs)

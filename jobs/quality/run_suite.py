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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.lake.read import Pinned
from jobs.platform.spark import spark_session
from jobs.platform.tracking import home
from jobs.quality.count import Figures, Plan, figures_here
from jobs.quality.count_sql import figures_spark
from jobs.quality.derived_columns import DERIVED, SCHEMA, computable
from jobs.quality.file_schema import ddl, file_columns, spark_reads
from jobs.quality.findings import Finding, finding_of, keep_counts
from jobs.quality.history import history
from jobs.quality.manifest_figures import manifest_figures
from jobs.quality.metrics import ROWS, Count, counts_of, figures_of, per_row
from jobs.quality.references import RELATED, partner, rows_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

log = logging.getLogger(__name__)
PROJECT = Path(__file__).resolve().parents[2] / "great_expectations"
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
    figures: Figures = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """stop, warn or pass: the worst of what failed."""
        failed = {finding.on_fail for finding in self.failed()}
        return next((word for word in ("stop", "warn") if word in failed), "pass")

    def failed(self, on_fail: str = "") -> list[Finding]:
        """Findings that failed, of one weight or of any."""
        return [finding for finding in self.findings if not finding.success and on_fail in ("", finding.on_fail)]

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

    import jobs.quality.expectations  # noqa: F401  the suites name its expectations, and judge figures

    return great_expectations.get_context(
        mode="file", context_root_dir=PROJECT, runtime_environment={"NIGHTSHELF_HOME": str(home())}
    )


def suite_file(table: str) -> Path:
    """The committed suite of a table; it may not exist."""
    return PROJECT / "expectations" / f"{table}.json"


def check(context: AbstractDataContext, pinned: Pinned, spark_rows: int) -> Outcome:
    """Run the table's checkpoint on this version, counted by Spark from `spark_rows` rows up if it can read them."""
    started = time.monotonic()
    table = pinned.partition.name
    suite = suite_file(table).read_bytes()
    expectations = json.loads(suite)["expectations"]
    schema = ddl(file_columns(pinned))
    engine = "spark" if pinned.manifest.rows >= spark_rows and spark_reads(pinned) else "arrow"
    figures = count(pinned, expectations, engine)
    key, result = _run(context, pinned, figures)
    order = [one["description"] for one in expectations]
    results: list[Any] = result.results
    results.sort(key=lambda one: order.index(one.expectation_config.description))
    findings = tuple(finding_of(one, schema, DERIVED.get(table, {})) for one in results)
    keep_counts(result, findings, pinned)
    context.validation_results_store.set(key, result)
    digest = hashlib.sha256(suite).hexdigest()
    kept = {name: value for name, value in figures.items() if SCHEMA not in name}
    outcome = Outcome(pinned, engine, findings, digest, key, kept)
    log.info(
        "%s: %s, %d expectations on %s rows by %s in %.2f s",
        pinned.partition,
        outcome.verdict,
        len(findings),
        f"{pinned.manifest.rows:,}",
        engine,
        time.monotonic() - started,
    )
    return outcome


def count(pinned: Pinned, expectations: Sequence[dict[str, Any]], engine: str) -> Figures:
    """Every figure that these expectations are judged by."""
    found = file_columns(pinned)
    counts = counts_of(expectations)
    of_schema = [one for one in counts if SCHEMA in one.columns]
    counts = [one for one in counts if one.kind not in RELATED or partner(pinned, one.said)]
    plan = Plan(pinned, tuple(computable(pinned, [one for one in counts if one not in of_schema], found)))
    if engine == "spark":
        with spark_session(f"expect {pinned.partition.name}") as spark:
            figures = figures_spark(spark, plan)
    else:
        figures = figures_here(plan)
    named = [name for one in expectations for name in figures_of(one["kwargs"])]
    figures |= _of_schema(of_schema, ddl(found), figures[ROWS])
    return figures | per_row(figures, named) | _beside(pinned, named)


def _of_schema(counts: Sequence[Count], found: str, rows: float) -> Figures:
    """Columns and types are the same for every row."""
    return {one.name: 0 if one.kind == "null" or found in one.kwargs["value_set"] else rows for one in counts}


def _beside(pinned: Pinned, named: Sequence[str]) -> Figures:
    """Figures that no row tells: of the manifest, and of other tables."""
    figures = manifest_figures(pinned, named)
    for name in named:
        kind, _, table = name.partition(" ")
        if kind == "rows_of" and (rows := rows_of(pinned, table)) is not None:
            figures[name] = rows
    return figures


def _run(
    context: AbstractDataContext, pinned: Pinned, figures: Figures
) -> tuple[ValidationResultIdentifier, ExpectationSuiteValidationResult]:
    """One checkpoint; the same version of a partition always has the same page, so that links hold."""
    import great_expectations

    from jobs.quality.precomputed_engine import Batch

    created = datetime.fromisoformat(pinned.manifest.created_at).astimezone(UTC)
    checked = context.checkpoints.get(pinned.partition.name).run(
        batch_parameters={"dataframe": Batch(figures, history(pinned.partition)).frame()},
        run_id=great_expectations.RunIdentifier(run_name=page_name(pinned), run_time=created),
    )
    ((key, result),) = checked.run_results.items()
    return key, result


def page_name(pinned: Pinned) -> str:
    """The partition's values as one name: ds=2026-01-31,towers=...,shard=0of2."""
    return ",".join(f"{key}={value}" for key, value in pinned.partition.pairs)

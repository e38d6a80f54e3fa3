"""Check one pinned version of a partition: count its figures, compare them with earlier days, judge every rule."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from jobs.lake import storage as store
from jobs.lake.manifest import POINTER, VERDICT
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, attempt_uri
from jobs.platform.spark import spark_session
from jobs.quality.count import CountPlan, Figures, figures_here
from jobs.quality.count_spark import figures_spark
from jobs.quality.derived_columns import computable, is_share
from jobs.quality.file_schema import ddl, file_columns
from jobs.quality.judge import SCHEMA_FIGURE, Finding, History, expected_range, finding_of, judge
from jobs.quality.manifest_figures import manifest_figures
from jobs.quality.metrics import metrics_of, per_row
from jobs.quality.overview.record import as_today
from jobs.quality.references import RELATED, partner, rows_of
from jobs.quality.rules import Rule, Rules, rules_of, spread

log = logging.getLogger(__name__)
HISTORY_DAYS = 28


@dataclass(frozen=True)
class SuiteResult:
    """Results of a table's rules on one version of a partition. gx: the result in Great Expectations' own form."""

    pinned: Pinned
    engine: str
    findings: tuple[Finding, ...]
    rules_sha256: str
    gx: dict[str, Any] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """stop, warn or pass: the worst severity of a broken rule."""
        severities = {finding.rule.on_fail for finding in self.failed()}
        return next((word for word in ("stop", "warn") if word in severities), "pass")

    def failed(self, on_fail: str = "") -> list[Finding]:
        """Findings of broken rules, of one severity or of any."""
        return [finding for finding in self.findings if not finding.success and on_fail in ("", finding.rule.on_fail)]

    def texts(self, on_fail: str) -> list[str]:
        """Broken rules as sentences. Figures that could not be counted follow from the others: only their number."""
        failed = self.failed(on_fail)
        if not any(finding.counted for finding in self.failed()):
            return [str(finding) for finding in failed]
        texts = [str(finding) for finding in failed if finding.counted]
        if len(failed) > len(texts):
            texts.append(f"{len(failed) - len(texts)} more could not be computed")
        return texts


def check(pinned: Pinned, spark_rows: int) -> SuiteResult:
    """Judge this version by its table's rules. From `spark_rows` rows on, Spark counts."""
    started = time.monotonic()
    table = pinned.partition.name
    suite = rules_of(table)
    engine = "spark" if pinned.manifest.rows >= spark_rows else "arrow"
    figures = count(pinned, suite.rules, engine)
    earlier = history(pinned.partition)
    ranges = [expected_range(rule, figures, earlier) for rule in spread(suite.rules, figures)]
    result, successes = judge(table, ranges)
    schema = ddl(file_columns(pinned))
    findings = tuple(
        finding_of(expected, success, is_share(table, expected.rule), schema)
        for expected, success in zip(ranges, successes, strict=True)
    )
    kept = {name: value for name, value in figures.items() if name != SCHEMA_FIGURE}
    gx: dict[str, Any] = result.to_json_dict()  # type: ignore[no-untyped-call]
    outcome = SuiteResult(pinned, engine, findings, _sha256(suite), gx, kept)
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


def count(pinned: Pinned, rules: Sequence[Rule], engine: str) -> Figures:
    """Count every figure that the rules judge. engine: arrow (this machine) or spark."""
    plan = count_plan(pinned, rules)
    if engine == "spark":
        with spark_session(f"expect {pinned.partition.name}", [pinned]) as spark:
            figures = figures_spark(spark, plan)
    else:
        figures = figures_here(plan)
    named = [name for rule in rules for name in rule.figures]
    declared = list(pinned.partition.table.columns.items())
    figures[SCHEMA_FIGURE] = float(list(file_columns(pinned).items()) != declared)
    return figures | per_row(figures, named) | _not_of_rows(pinned, named)


def count_plan(pinned: Pinned, rules: Sequence[Rule]) -> CountPlan:
    """The metrics of the rules that can be counted: their columns and their other table are there."""
    metrics = [
        metric for metric in metrics_of(rules) if metric.kind not in RELATED or partner(pinned, metric.condition)
    ]
    return CountPlan(pinned, tuple(computable(pinned, metrics, file_columns(pinned))))


def _not_of_rows(pinned: Pinned, named: Sequence[str]) -> Figures:
    """Figures of the manifest, and the sizes of other tables."""
    figures = manifest_figures(pinned, named)
    for name in named:
        kind, _, table = name.partition(" ")
        if kind == "rows_of" and (rows := rows_of(pinned, table)) is not None:
            figures[name] = rows
    return figures


def history(partition: Partition) -> History:
    """(days ago, figures) of earlier days of the same table and keys, newest first.

    Never of a later day, so that a backfill judges as on that day. Days that stopped, or whose current version was not
    judged, are left out.
    """
    day = date.fromisoformat(partition.ds)
    earlier = []
    for ago in range(1, HISTORY_DAYS + 1):
        if figures := _judged_figures(partition.having(ds=(day - timedelta(days=ago)).isoformat())):
            earlier.append((ago, figures))
    return earlier


def _judged_figures(partition: Partition) -> Figures:
    try:
        pointer = json.loads(store.read_bytes(f"{partition.uri}/{POINTER}"))
        uri = attempt_uri(partition, pointer["attempt"])
        verdict = json.loads(store.read_bytes(f"{uri}/{VERDICT}"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if verdict["verdict"] == "stop" or verdict["manifest_sha256"] != pointer["manifest_sha256"]:
        return {}
    return as_today(verdict).get("figures", {})


def _sha256(suite: Rules) -> str:
    return hashlib.sha256(json.dumps(asdict(suite), sort_keys=True).encode()).hexdigest()

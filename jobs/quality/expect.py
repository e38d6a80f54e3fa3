"""Partitions -> data-quality verdicts and Data Docs.

    python -m jobs expect --partitions items/ds=2026-01-31,pairs/ds=2026-01-31

Judges each partition by its table's rules in great_expectations/rules, writes `_verdict.json` beside its data and the Data
Docs under NIGHTSHELF_HOME. A verdict `stop` ends with an error, and every reader downstream refuses the partition.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from jobs.lake import storage as store
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from jobs.platform import cli
from jobs.platform.arguments import CommandArgs, PositiveInt
from jobs.quality import data_docs
from jobs.quality.overview.record import Record, accounts_of, stated_of
from jobs.quality.rules import has_rules
from jobs.quality.run_suite import SuiteResult, check

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """partitions  partitions to check, separated by commas; each of a table with rules
    spark_rows  rows from which Spark counts instead of this machine (which needs 0.5 GB and some 42 bytes a row)
    keep        newest days of each table whose results stay in the Data Docs
    """

    partitions: str
    spark_rows: PositiveInt = 100_000_000
    keep: PositiveInt = 90

    def __post_init__(self) -> None:
        for partition in self.parsed():
            if not has_rules(partition.name):
                raise ValueError(f"{partition}: {partition.name} has no suite of expectations")
        if not self.parsed():
            raise ValueError("partitions: found none, expected at least one, as in pairs/ds=2026-01-31")

    def parsed(self) -> list[Partition]:
        """The partitions, each once."""
        names = [name.strip() for name in self.partitions.split(",")]
        return list(dict.fromkeys(Partition.parse(name) for name in names if name))


def main(args: Args) -> dict[str, object]:
    """Check each partition, write its verdict, then the Data Docs; RuntimeError when one must stop."""
    pins = [pin(partition, even_stopped=True) for partition in args.parsed()]
    results = [check(pinned, args.spark_rows) for pinned in pins]
    records = [record_of(result) for result in results]
    for pinned, record in zip(pins, records, strict=True):
        store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(record, indent=1, ensure_ascii=False).encode())
        for text in record["warns"]:
            log.warning("%s: %s", pinned.partition, text)
    index = data_docs.build(results, records, args.keep)
    stopped = [f"{record['partition']}: {text}" for record in records for text in record["stops"]]
    if stopped:
        raise RuntimeError("\n".join([*stopped, f"nothing downstream may read these partitions; see {index}"]))
    return {
        "verdicts": {record["partition"]: record["verdict"] for record in records},
        "data_docs": str(index),
        "alerts": alerts_of(records),
    }


def alerts_of(records: Sequence[Record]) -> list[str]:
    """Warnings that somebody should look at: counts alone."""
    return [
        f"{record['partition']}: {len(record['warns'])} warnings, {record['checks']} checks"
        for record in records
        if record["verdict"] == "warn"
    ]


def record_of(result: SuiteResult) -> Record:
    """The verdict as it is written beside the data and kept for the overview."""
    pinned = result.pinned
    return {
        "partition": str(pinned.partition),
        "verdict": result.verdict,
        "stops": result.texts("stop"),
        "warns": result.texts("warn"),
        "checks": len(result.findings),
        "rows": pinned.manifest.rows,
        "simulated": pinned.manifest.simulated,
        "engine": result.engine,
        "suite_sha256": result.rules_sha256,
        "manifest_sha256": pinned.manifest_sha256,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_docs": data_docs.page_of(pinned),
        "figures": result.figures,
        "accounts": accounts_of(pinned.manifest),
        "stated": stated_of(pinned.manifest),
    }


if __name__ == "__main__":
    cli.run(Args, main)

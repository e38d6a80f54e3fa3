"""Partitions -> data-quality verdicts and Data Docs.

    python -m jobs expect --partitions items/ds=2026-01-31,pairs/ds=2026-01-31

Runs the table's suite of great_expectations/ on each partition, writes `_verdict.json` beside its data and the Data Docs
under NIGHTSHELF_HOME. A verdict `stop` ends with an error, and every reader downstream refuses the partition.
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
from jobs.quality.run_suite import Outcome, check, project, suite_file

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """partitions  partitions to check, separated by commas; each of a table that has a suite
    spark_rows  rows from which Spark counts instead of this machine (which needs 0.5 GB and some 42 bytes a row)
    keep        newest days of each table whose results stay in the Data Docs
    """

    partitions: str
    spark_rows: PositiveInt = 100_000_000
    keep: PositiveInt = 90

    def __post_init__(self) -> None:
        for partition in self.parsed():
            if not suite_file(partition.name).exists():
                raise ValueError(f"{partition}: {partition.name} has no suite of expectations")
        if not self.parsed():
            raise ValueError("partitions: found none, expected at least one, as in pairs/ds=2026-01-31")

    def parsed(self) -> list[Partition]:
        """The partitions, each once."""
        words = [word.strip() for word in self.partitions.split(",")]
        return list(dict.fromkeys(Partition.parse(word) for word in words if word))


def main(args: Args) -> dict[str, object]:
    """Check each partition, write its verdict, then the Data Docs; RuntimeError when one must stop."""
    pins = [pin(partition, even_stopped=True) for partition in args.parsed()]
    context = project()
    outcomes = [check(context, pinned, args.spark_rows) for pinned in pins]
    records = [record(outcome) for outcome in outcomes]
    for pinned, found in zip(pins, records, strict=True):
        store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(found, indent=1, ensure_ascii=False).encode())
        for text in found["warns"]:
            log.warning("%s: %s", pinned.partition, text)
    index = data_docs.build(context, [outcome.key for outcome in outcomes], records, args.keep)
    stopped = [f"{found['partition']}: {text}" for found in records for text in found["stops"]]
    if stopped:
        raise RuntimeError("\n".join([*stopped, f"nothing downstream may run on that; see {index}"]))
    return {
        "verdicts": {found["partition"]: found["verdict"] for found in records},
        "data_docs": str(index),
        "alerts": alerts_of(records),
    }


def alerts_of(records: Sequence[Record]) -> list[str]:
    """What somebody should look at although nothing was stopped: counts alone."""
    return [
        f"{one['partition']}: {len(one['warns'])} warnings, {one['checks']} checks"
        for one in records
        if one["verdict"] == "warn"
    ]


def record(outcome: Outcome) -> Record:
    """The verdict as it stands beside the data and in the index of the Data Docs."""
    pinned = outcome.pinned
    return {
        "partition": str(pinned.partition),
        "verdict": outcome.verdict,
        "stops": outcome.texts("stop"),
        "warns": outcome.texts("warn"),
        "checks": len(outcome.findings),
        "rows": pinned.manifest.rows,
        "simulated": pinned.manifest.simulated,
        "engine": outcome.engine,
        "suite_sha256": outcome.suite_sha256,
        "manifest_sha256": pinned.manifest_sha256,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_docs": data_docs.page(outcome.key),
        "figures": outcome.figures,
        "accounts": accounts_of(pinned.manifest),
        "stated": stated_of(pinned.manifest),
    }


if __name__ == "__main__":
    cli.run(Args, main)

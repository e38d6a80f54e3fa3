"""Report which of the given partitions are not published yet.

python -m jobs ready --partitions log/ds=2026-01-31,catalogue/ds=2026-01-31
"""

from __future__ import annotations

import logging

from jobs.lake.partitions import Partition
from jobs.lake.read import exists, pin, read_verdict
from jobs.platform.arguments import CommandArgs, ZeroOrOne

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """partitions  addresses, separated by commas
    gated       1: a partition counts when `expect` has let it pass; 0: when it is published
    """

    partitions: str
    gated: ZeroOrOne = 0

    def __post_init__(self) -> None:
        if not self.wanted():
            raise ValueError("partitions: expected one address or more, separated by commas")

    def wanted(self) -> list[Partition]:
        """The addresses, checked."""
        return [Partition.parse(text) for text in self.partitions.split(",") if text]


def main(args: Args) -> dict[str, object]:
    """List what is missing. A stopped partition is an error, because waiting would not repair it."""
    missing = [str(partition) for partition in args.wanted() if not ready(partition, args.gated)]
    if missing:
        log.info("not there yet: %s", ", ".join(missing))
    return {"missing": missing}


def ready(partition: Partition, gated: int) -> bool:
    """Whether the partition is published and, when gated, has passed its data-quality checks.

    Raises:
        RuntimeError: its verdict is `stop`.
    """
    if not exists(partition):
        return False
    return not gated or bool(read_verdict(pin(partition)))

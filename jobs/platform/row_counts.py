"""Row accounts taken while a frame is written: what was kept, and what was dropped by which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.lake.attempt import Attempt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

KEPT = "kept"
EMPTY_RULE = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"


class Tally:
    """Sums over a frame with a column `reason`, taken in the same pass that writes it.

    frame    the frame to go on with; the sums are known when it was written. No shuffle may stand between it and
             the files: stages before a shuffle run again where an executor is lost, and would be summed twice
    weights  prefix -> SQL expression: what is summed per reason, such as rows or log lines
    sums     name -> SQL expression, summed over all rows
    sets     name -> SQL expression: its distinct values, few by nature
    """

    def __init__(
        self,
        frame: DataFrame,
        reasons: Sequence[str],
        weights: Mapping[str, str],
        sums: Mapping[str, str],
        sets: Mapping[str, str] | None = None,
    ) -> None:
        from pyspark.sql import Observation
        from pyspark.sql import functions as f

        # a plan that turns out to be empty is cut short, and its sums with it
        frame.sparkSession.conf.set("spark.sql.adaptive.optimizer.excludedRules", EMPTY_RULE)
        self.observation: Observation = Observation()
        self.reasons = list(reasons)
        expressions = dict(sums)
        for prefix, weight in weights.items():
            expressions[f"{prefix} {KEPT}"] = f"if(reason IS NULL, {weight}, 0)"
            for reason in reasons:
                expressions[f"{prefix} {reason}"] = f"if(reason = '{reason}', {weight}, 0)"
        self.frame = frame.observe(
            self.observation,
            *[f.coalesce(f.sum(f.expr(text)), f.lit(0)).alias(name) for name, text in expressions.items()],
            *[f.collect_set(f.expr(text)).alias(name) for name, text in (sets or {}).items()],
        )

    def __getitem__(self, name: str) -> int:
        """One sum; blocks until the frame was written."""
        return int(self.observation.get[name])

    def values(self, name: str) -> list[str]:
        """One set, in order."""
        return sorted(self.observation.get[name])

    def kept(self, prefix: str) -> int:
        """Weight of the rows without a reason."""
        return self[f"{prefix} {KEPT}"]

    def dropped(self, prefix: str) -> dict[str, int]:
        """Reason -> weight, those that occurred."""
        found = {reason: self[f"{prefix} {reason}"] for reason in self.reasons}
        return {reason: number for reason, number in found.items() if number}


def published(out: Attempt) -> dict[str, str | int]:
    """What every table job returns: the partition, its rows, and the digest that a re-run must repeat."""
    if out.manifest is None:
        raise RuntimeError(f"{out.partition}: not published yet; ask when the block has ended")
    return {"partition": str(out.partition), "rows": out.manifest.rows, "content_sha256": out.manifest.content_sha256}

"""Row counts taken while a frame is written: rows kept, and rows dropped by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.lake.attempt import Attempt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

KEPT = "kept"
EMPTY_RULE = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"


class RowCounter:
    """Sums over a frame with a column `reason`, computed in the pass that writes it.

    frame    the frame to continue with; the sums are known once it is written. There must be no shuffle between it
             and the files: Spark repeats the stages before a shuffle after a lost executor, and would count twice
    weights  prefix -> SQL expression to sum per reason, such as rows or log lines
    sums     name -> SQL expression to sum over all rows
    sets     name -> SQL expression whose distinct values to collect; for few values only
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

        # Spark would skip an empty plan, and its sums with it
        frame.sparkSession.conf.set("spark.sql.adaptive.optimizer.excludedRules", EMPTY_RULE)
        self.observation: Observation = Observation()
        self.reasons = list(reasons)
        self._replaced: dict[str, RowCounter] = {}
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

    def write_kept(self, out: Attempt, by: Sequence[str]) -> None:
        """Write the rows without a drop reason, each part of the frame as a file sorted by `by`."""
        kept = self.frame.where("reason IS NULL").select(*out.partition.table.columns)
        out.write_spark(kept, by=by, parted=True)

    def replace(self, reason: str, second: RowCounter) -> None:
        """Count the rows of a reason by another frame, which was made of them."""
        self._replaced[reason] = second

    def __getitem__(self, name: str) -> int:
        """A sum; blocks until the frame is written."""
        own = 0 if any(name.endswith(f" {reason}") for reason in self._replaced) else int(self.observation.get[name])
        return own + sum(second[name] for second in self._replaced.values())

    def values(self, name: str) -> list[str]:
        """The distinct values of a set, sorted."""
        return sorted(self.observation.get[name])

    def kept(self, prefix: str) -> int:
        """Weight of the rows without a drop reason."""
        return self[f"{prefix} {KEPT}"]

    def dropped(self, prefix: str) -> dict[str, int]:
        """Reason -> weight, for the reasons that occurred."""
        weights = {reason: self[f"{prefix} {reason}"] for reason in self.reasons}
        return {reason: weight for reason, weight in weights.items() if weight}


def published(out: Attempt) -> dict[str, str | int]:
    """Result of every job that writes a table: partition, rows, and the digest that a re-run must repeat."""
    if out.manifest is None:
        raise RuntimeError(f"{out.partition}: not published yet; ask when the block has ended")
    return {"partition": str(out.partition), "rows": out.manifest.rows, "content_sha256": out.manifest.content_sha256}

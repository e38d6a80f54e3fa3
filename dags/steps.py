"""What training and the nightly run have in common: from towers to a judged and promoted index."""

from __future__ import annotations

import os
from dataclasses import dataclass

from airflow.sdk import BaseOperator, TaskGroup

from dags.day import DAY, result
from dags.forms import form, templates
from dags.runner import job
from jobs.lake import EMBEDDINGS, INDEX, ITEMS, QRELS, QUERIES, RANKINGS, REPORT, Partition

# Parts that a catalogue is embedded in; each is a task, and so many as the `gpu` pool has slots run at once.
SHARDS = int(os.environ.get("NIGHTSHELF_SHARDS", "2"))

BUILT = form(
    "index",
    "Index",
    factory={},
    recall_target={"exclusiveMinimum": 0, "maximum": 1},
    cutoff={"enum": ["knee", "threshold", "none"]},
    language={"enum": ["auto", "none", "en", "pl"]},
)
ENCODED = form(
    "embeddings",
    "Embeddings",
    precision={"enum": ["auto", "fp32", "bf16"]},
    storage={"enum": ["fp16", "fp32"]},
)
MEASURED = form("report", "Judgements", min_relevance={}, zero_gain={})
GATED = form("promote", "Gate", on_stop={"enum": ["fail", "keep"]})
SERVING = ENCODED | MEASURED | BUILT | GATED


@dataclass(frozen=True)
class Towers:
    """Towers as a task names them: templates of what `jobs.pin` printed."""

    pinned_by: str

    @property
    def partition(self) -> str:
        """Address of the towers."""
        return result(self.pinned_by, "towers")

    @property
    def space(self) -> str:
        """Their space id, a key of all that is made with them."""
        return result(self.pinned_by, "space")

    @property
    def champion(self) -> str:
        """Address of the index that was in service when they were pinned; empty when none was."""
        return result(self.pinned_by, "champion")

    def embeddings(self, shard: int = 0) -> Partition:
        """One shard of the day's catalogue; refreshed towers keep the space of those they went on from."""
        space = result(self.pinned_by, "items_space")
        return EMBEDDINGS.at(ds=DAY, towers=space, shard=f"{shard}of{SHARDS}")

    def previous(self, shard: int) -> str:
        """The same shard of the day that its pin found, to take over what did not change; else empty."""
        found = f"ti.xcom_pull(task_ids='{self.pinned_by}')"
        address = f"'embeddings/ds=' ~ {found}['previous'] ~ '/towers=' ~ {found}['items_space']"
        return f"{{{{ {address} ~ '/shard={shard}of{SHARDS}' if {found}['previous'] else '' }}}}"


def embed(towers: Towers, group_id: str, takes_over: bool = False) -> TaskGroup:
    """Embed the day's catalogue, a task per shard. takes_over: what an earlier day has; new towers have none."""
    with TaskGroup(
        group_id, prefix_group_id=False, tooltip="The catalogue, shard by shard"
    ) as group:
        shards = [towers.embeddings(shard) for shard in range(SHARDS)]
        made = [
            job("embeddings", f"{group_id}_{number}", items=ITEMS.at(ds=DAY), towers=towers.partition,
                embeddings=shard, previous=towers.previous(number) if takes_over else "",
                **templates(ENCODED))
            for number, shard in enumerate(shards)
        ]  # fmt: skip
        # a vector that is not finite or not of unit norm is never found again, and nobody is told
        made >> job("expect", f"expect_{group_id}", partitions=",".join(map(str, shards)))
    return group


def judge(towers: Towers, baseline: Towers | None = None) -> BaseOperator:
    """Build the index, rank the judged queries, report, promote; returns the first of these tasks."""
    at = {"ds": DAY, "towers": towers.space}
    made, rankings, report = INDEX.at(**at), RANKINGS.at(**at), REPORT.at(**at)
    day = {"queries": QUERIES.at(ds=DAY), "qrels": QRELS.at(ds=DAY), "items": ITEMS.at(ds=DAY)}
    with TaskGroup("serving", prefix_group_id=False, tooltip="Build, judge, promote"):
        index = job(
            "index",
            embeddings=towers.embeddings(),
            towers=towers.partition,
            **day,
            index=made,
            min_relevance="{{ params.min_relevance }}",
            **templates(BUILT),
        )
        ranked = job(
            "rankings",
            index=made,
            **day,
            rankings=rankings,
            embeddings=towers.embeddings(),
            champion=towers.champion,
            baseline=baseline.embeddings() if baseline else "",
        )
        judged = {"rankings": rankings, "index": made, **day, "report": report}
        reported = job("report", **judged, **templates(MEASURED))
        promoted = job("promote", report=report, **templates(GATED))
        checked = job("expect", "expect_rankings", partitions=str(rankings))
        # promote hangs on the report alone: an index that nobody judged must not be served
        index >> ranked >> checked >> reported >> promoted
    return index

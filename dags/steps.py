"""What training and the nightly run have in common: from towers to a judged and promoted index."""

from __future__ import annotations

import os
from dataclasses import dataclass

from airflow.sdk import Param, TaskGroup

from dags.approval import Approval, approve_param
from dags.day import DAY, result
from dags.forms import form, templates
from dags.runner import job
from jobs.lake.partitions import (
    CODES,
    EMBEDDINGS,
    IMPRESSIONS,
    INDEX,
    ITEMS,
    QRELS,
    QUERIES,
    RANKINGS,
    REPORT,
    TRAINED_INDEX,
    Partition,
)

# Parts that a catalogue is embedded in; each is a task, and so many as the `gpu` pool has slots run at once.
SHARDS = int(os.environ.get("NIGHTSHELF_SHARDS", "2"))

CHOSEN = form("trained_index", "Index", "factory", "p99_ms", "memory_gb", "tune_items")
BUILT = form("index", "Index", "recall_target", "max_shrink_frac", "cutoff", "lookalikes", "language", "sparse")
ENCODED = form("embeddings", "Embeddings", "precision", "storage")
MEASURED = form("report", "Judgements", "min_relevance", "zero_gain", "alt_action")
COMPARED = form(
    "report",
    "Gate",
    "max_drop",
    "max_age_days",
    "max_loss",
    "max_segment_loss",
    "min_support",
    "seed_noise",
    "max_cost_ratio",
)
# `external_runs/ds=...` of the day, or nothing where the shop delivers none
RUNS_GIVEN = {
    "external_runs": Param(
        0,
        type="integer",
        enum=[0, 1],
        section="Judgements",
        description="1: external_runs/ds= holds the day's rankings of the shop's own engine",
    )
}
OWN_RUNS = f"{{{{ 'external_runs/ds=' ~ ({DAY[3:-3]}) if params.external_runs else '' }}}}"
GATED = form("promote", "Gate", "on_stop")
SERVING = ENCODED | MEASURED | CHOSEN | BUILT | COMPARED | GATED | approve_param() | RUNS_GIVEN


@dataclass(frozen=True)
class Towers:
    """Towers as a task names them: templates of what `jobs.serving.pin` printed."""

    pinned_by: str
    # the room whose index they make, and the name that serves there
    alias: str = "search/champion"

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

    @property
    def items_space(self) -> str:
        """Space id of the vectors of items; refreshed towers keep that of those they went on from."""
        return result(self.pinned_by, "items_space")

    def embeddings(self, shard: int = 0) -> Partition:
        """One shard of the day's catalogue."""
        return EMBEDDINGS.at(ds=DAY, space=self.items_space, shard=f"{shard}of{SHARDS}")

    def codes(self, shard: int = 0) -> Partition:
        """The same shard as lists and codes."""
        return CODES.at(ds=DAY, space=self.items_space, shard=f"{shard}of{SHARDS}")

    @property
    def trained_index(self) -> Partition:
        """What the day's codes are made by."""
        return TRAINED_INDEX.at(ds=DAY, space=self.items_space)

    def previous(self, table: str, shard: int = -1) -> str:
        """The same partition of the day that its pin found, to take over what did not change; else empty."""
        found = f"ti.xcom_pull(task_ids='{self.pinned_by}')"
        day = f"{found}['previous_{table}']"
        end = f" ~ '/shard={shard}of{SHARDS}'" if shard >= 0 else ""
        address = f"'{table}/ds=' ~ {day} ~ '/space=' ~ {found}['items_space']{end}"
        return f"{{{{ {address} if {day} else '' }}}}"


def embed(towers: Towers, group_id: str, takes_over: bool = False) -> TaskGroup:
    """Embed the day's catalogue, a task per shard. takes_over: what an earlier day has; new towers have none."""
    with TaskGroup(group_id, prefix_group_id=False, tooltip="The catalogue, shard by shard") as group:
        shards = [towers.embeddings(shard) for shard in range(SHARDS)]
        made = [
            job(
                "embeddings",
                f"{group_id}_{number}",
                items=ITEMS.at(ds=DAY),
                towers=towers.partition,
                embeddings=shard,
                previous=towers.previous("embeddings", number) if takes_over else "",
                **templates(ENCODED),
            )
            for number, shard in enumerate(shards)
        ]
        # a vector that is not finite or not of unit norm is never found again, and nobody is told
        made >> job("expect", f"expect_{group_id}", partitions=",".join(map(str, shards)))
    return group


def code(towers: Towers, day: dict[str, Partition], takes_over: bool) -> TaskGroup:
    """Choose an index or keep an earlier day's choice, then code the catalogue shard by shard."""
    with TaskGroup("coding", prefix_group_id=False, tooltip="TrainedIndex, codes by shard") as group:
        trained_index = job(
            "trained_index",
            embeddings=towers.embeddings(),
            towers=towers.partition,
            queries=day["queries"],
            qrels=day["qrels"],
            trained_index=towers.trained_index,
            previous=towers.previous("trained_index") if takes_over else "",
            min_relevance="{{ params.min_relevance }}",
            **templates(CHOSEN),
        )
        trained_index >> [
            job(
                "codes",
                f"codes_{number}",
                embeddings=towers.embeddings(number),
                trained_index=towers.trained_index,
                codes=towers.codes(number),
                previous=towers.previous("codes", number) if takes_over else "",
            )
            for number in range(SHARDS)
        ]
    return group


def judge(towers: Towers, baseline: Towers | None = None, takes_over: bool = False, coded: bool = False) -> TaskGroup:
    """Build the index, rank the judged queries, report, promote; returns all of these tasks as a group.

    takes_over: codes of an earlier day. coded: the day's codes stand already.
    """
    at = {"ds": DAY, "space": towers.space}
    made, rankings, report = INDEX.at(**at), RANKINGS.at(**at), REPORT.at(**at)
    day = {"queries": QUERIES.at(ds=DAY), "qrels": QRELS.at(ds=DAY), "items": ITEMS.at(ds=DAY)}
    with TaskGroup("serving", prefix_group_id=False, tooltip="Build, judge, promote") as group:
        index = job(
            "index",
            codes=towers.codes(),
            trained_index=towers.trained_index,
            embeddings=towers.embeddings(),
            towers=towers.partition,
            **day,
            index=made,
            previous=towers.champion,
            min_relevance="{{ params.min_relevance }}",
            **templates(BUILT),
        )
        if not coded:
            code(towers, day, takes_over) >> index
        compared = {
            "alias": towers.alias,
            "champion": towers.champion,
            "baseline": baseline.embeddings() if baseline else "",
        }
        given = {"embeddings": towers.embeddings(), "external_runs": OWN_RUNS, **compared, **day}
        ranked = job("rankings", index=made, rankings=rankings, min_relevance="{{ params.min_relevance }}", **given)
        judged = {"rankings": rankings, "index": made, **day, "report": report}
        reported = job(
            "report", **judged, alt_relevance=IMPRESSIONS.at(ds=DAY), **templates(MEASURED), **templates(COMPARED)
        )
        promoted = job("promote", report=report, alias=towers.alias, **templates(GATED))
        checked = job("expect", "expect_rankings", partitions=str(rankings))
        # promote hangs on the report alone: an index that nobody judged must not be served
        index >> ranked >> checked >> reported >> Approval(task_id="approve") >> promoted
    return group

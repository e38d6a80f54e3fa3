"""Steps that several DAGs share: from towers to a judged and promoted index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Param, TaskGroup, TriggerRule

from dags.approval import Approval, approve_param
from dags.day import DAY, result
from dags.forms import form, templates
from dags.runner import job, of_day
from jobs.lake.partitions import (
    CLICK_COUNTS,
    CODES,
    EMBEDDINGS,
    HYDRATION,
    IMPRESSIONS,
    INDEX,
    ITEM_EVENTS,
    ITEM_FEATURES,
    ITEMS,
    PROPENSITIES,
    QRELS,
    QUERIES,
    RANKINGS,
    REPORT,
    SESSION_EVENTS,
    TRAINED_INDEX,
    Partition,
)

# parts in which a catalogue is embedded: a task each; the slots of the `gpu` pool limit how many run at once
SHARDS = int(os.environ.get("NIGHTSHELF_SHARDS", "2"))

TUNING_FORM = form("trained_index", "Index", "factory p99_ms memory_gb tune_items")
INDEX_FORM = form(
    "index", "Index", "recall_target max_shrink_frac cutoff lookalikes language sparse min_dense_gain clusters"
)
HYDRATION_FORM = form("hydration", "Index", "hydrate")
EMBEDDING_FORM = form("embeddings", "Embeddings", "precision storage")
MEASURES_FORM = form("report", "Judgements", "min_relevance zero_gain alt_action")
GATE_FORM = form(
    "report", "Gate", "max_drop max_age_days max_loss max_segment_loss min_support seed_noise max_cost_ratio"
)
# `external_runs/ds=...` of the day, or nothing where the shop delivers none
RUNS_FORM = {
    "external_runs": Param(
        0,
        type="integer",
        enum=[0, 1],
        section="Judgements",
        description="1: external_runs/ds= holds the day's rankings of the shop's own engine",
    )
}
OWN_RUNS = f"{{{{ 'external_runs/ds=' ~ ({DAY[3:-3]}) if params.external_runs else '' }}}}"
PROMOTION_FORM = form("promote", "Gate", "on_stop")
# `orders/ds=...` of the day, or nothing where the shop delivers none
ORDERS_FORM = {
    "orders": Param(
        0, type="integer", enum=[0, 1], section="Orders", description="1: orders/ds= holds the day's orders of the shop"
    )
} | form("session_events", "Orders", "order_days order_columns date_order service_codes")
OWN_ORDERS = f"{{{{ 'orders/ds=' ~ ({DAY[3:-3]}) if params.orders else '' }}}}"
SERVING = (
    EMBEDDING_FORM | MEASURES_FORM | TUNING_FORM | INDEX_FORM | GATE_FORM | PROMOTION_FORM | approve_param() | RUNS_FORM
)


@dataclass(frozen=True)
class PinnedTowers:
    """Towers of a run, as templates of the result of a `pin` task."""

    pinned_by: str
    # the alias that their index may be promoted to
    alias: str = "search/champion"

    @property
    def partition(self) -> str:
        """Address of the towers."""
        return result(self.pinned_by, "towers")

    @property
    def space(self) -> str:
        """Their space id, a key of every partition that is made with them."""
        return result(self.pinned_by, "space")

    @property
    def champion(self) -> str:
        """Address of the index in service when they were pinned; empty where there was none."""
        return result(self.pinned_by, "champion")

    @property
    def item_features(self) -> str:
        """Address of the newest item_features when they were pinned; empty where there was none."""
        return result(self.pinned_by, "item_features")

    @property
    def items_space(self) -> str:
        """Space id of the item vectors; a refreshed query tower keeps that of the towers it was trained from."""
        return result(self.pinned_by, "items_space")

    @property
    def hydration(self) -> str:
        """Address of the day's weights; empty where the form wants none, or where no item has numbers."""
        pinned = f"ti.xcom_pull(task_ids='{self.pinned_by}')"
        address = f"'hydration/ds=' ~ ({DAY[3:-3]}) ~ '/space=' ~ {pinned}['space']"
        return f"{{{{ {address} if params.hydrate != 'off' and {pinned}['item_features'] else '' }}}}"

    def embeddings(self, shard: int = 0) -> Partition:
        """One shard of the day's catalogue."""
        return EMBEDDINGS.at(ds=DAY, space=self.items_space, shard=f"{shard}of{SHARDS}")

    def codes(self, shard: int = 0) -> Partition:
        """The same shard as inverted lists and codes."""
        return CODES.at(ds=DAY, space=self.items_space, shard=f"{shard}of{SHARDS}")

    @property
    def trained_index(self) -> Partition:
        """The trained index that makes the day's codes."""
        return TRAINED_INDEX.at(ds=DAY, space=self.items_space)

    def previous(self, table: str, shard: int = -1) -> str:
        """The same partition of the earlier day that `pin` chose, to reuse what did not change; else empty."""
        pinned = f"ti.xcom_pull(task_ids='{self.pinned_by}')"
        day = f"{pinned}['previous_{table}']"
        end = f" ~ '/shard={shard}of{SHARDS}'" if shard >= 0 else ""
        address = f"'{table}/ds=' ~ {day} ~ '/space=' ~ {pinned}['items_space']{end}"
        return f"{{{{ {address} if {day} else '' }}}}"


def sessions() -> TaskGroup:
    """Events of the day in the order of their sessions, and their verdict."""
    with TaskGroup("sessions", prefix_group_id=False, tooltip="What people did, session by session") as group:
        at = {"item_events": ITEM_EVENTS.at(ds=DAY), "session_events": SESSION_EVENTS.at(ds=DAY)}
        settings = templates({name: param for name, param in ORDERS_FORM.items() if name != "orders"})
        in_order = job("session_events", **at, orders=OWN_ORDERS, late_days="{{ params.late_days }}", **settings)
        in_order >> job("expect", "expect_sessions", partitions=str(SESSION_EVENTS.at(ds=DAY)))
    return group


def features() -> TaskGroup:
    """The numbers of the day's items, for rankers, and their verdict."""
    with TaskGroup("features", prefix_group_id=False, tooltip="Numbers of items, for rankers") as group:
        made = job("item_features", **of_day(CLICK_COUNTS, ITEMS, PROPENSITIES, ITEM_FEATURES))
        made >> job("expect", "expect_features", partitions=str(ITEM_FEATURES.at(ds=DAY)))
    return group


def ended(task_id: str) -> EmptyOperator:
    """A task that succeeds when those before it have ended, red or green."""
    return EmptyOperator(task_id=task_id, trigger_rule=TriggerRule.ALL_DONE)


def embed(towers: PinnedTowers, group_id: str, reuse: bool = False) -> TaskGroup:
    """Embed the day's catalogue, a task per shard. reuse: copy unchanged items from an earlier day."""
    with TaskGroup(group_id, prefix_group_id=False, tooltip="The catalogue, shard by shard") as group:
        shards = [towers.embeddings(shard) for shard in range(SHARDS)]
        made = [
            job(
                "embeddings",
                f"{group_id}_{number}",
                items=ITEMS.at(ds=DAY),
                towers=towers.partition,
                embeddings=shard,
                previous=towers.previous("embeddings", number) if reuse else "",
                **templates(EMBEDDING_FORM),
            )
            for number, shard in enumerate(shards)
        ]
        # a vector that is not finite or not of unit norm would never be retrieved, without any error
        made >> job("expect", f"expect_{group_id}", partitions=",".join(map(str, shards)))
    return group


def hydrate(towers: PinnedTowers) -> BaseOperator:
    """Weigh the items' numbers by what was bought after the towers' last day."""
    address = f"'item_features/ds=' ~ ti.xcom_pull(task_ids='{towers.pinned_by}')['towers'].split('=')[1][:10]"
    return job(
        "hydration",
        embeddings=towers.embeddings(),
        towers=towers.partition,
        **of_day(QUERIES, CLICK_COUNTS),
        item_features=f"{{{{ {address} }}}}",
        hydration=HYDRATION.at(ds=DAY, space=towers.space),
        **templates(HYDRATION_FORM),
    )


def code(towers: PinnedTowers, day: dict[str, Partition], reuse: bool, numbers: dict[str, str]) -> TaskGroup:
    """Tune and train an index, or keep that of an earlier day; then encode the catalogue shard by shard.

    numbers: flags of hydrated vectors.
    """
    with TaskGroup("coding", prefix_group_id=False, tooltip="Trained index, codes by shard") as group:
        trained_index = job(
            "trained_index",
            embeddings=towers.embeddings(),
            towers=towers.partition,
            queries=day["queries"],
            qrels=day["qrels"],
            trained_index=towers.trained_index,
            previous=towers.previous("trained_index") if reuse else "",
            min_relevance="{{ params.min_relevance }}",
            **numbers,
            **templates(TUNING_FORM),
        )
        trained_index >> [
            job(
                "codes",
                f"codes_{number}",
                embeddings=towers.embeddings(number),
                trained_index=towers.trained_index,
                codes=towers.codes(number),
                previous=towers.previous("codes", number) if reuse else "",
                **numbers,
            )
            for number in range(SHARDS)
        ]
    return group


def judge(
    towers: PinnedTowers,
    baseline: PinnedTowers | None = None,
    reuse: bool = False,
    coded: bool = False,
    hydrated: bool = False,
) -> TaskGroup:
    """Build the index, rank the judged queries, report, promote: one group of tasks.

    reuse: codes of an earlier day. coded: the day's codes are published already. hydrated: by the day's weights.
    """
    numbers = {"item_features": towers.item_features} | ({"hydration": towers.hydration} if hydrated else {})
    at = {"ds": DAY, "space": towers.space}
    made, rankings, report = INDEX.at(**at), RANKINGS.at(**at), REPORT.at(**at)
    day = {"queries": QUERIES.at(ds=DAY), "qrels": QRELS.at(ds=DAY), "items": ITEMS.at(ds=DAY)}
    with TaskGroup("serving", prefix_group_id=False, tooltip="Build, judge, promote") as group:
        coded_as = {"codes": towers.codes(), "trained_index": towers.trained_index, "embeddings": towers.embeddings()}
        index = job(
            "index",
            **coded_as,
            towers=towers.partition,
            **day,
            index=made,
            **numbers,
            previous=towers.champion,
            min_relevance="{{ params.min_relevance }}",
            **templates(INDEX_FORM),
        )
        if not coded:
            code(towers, day, reuse, numbers if hydrated else {}) >> index
        against = {"champion": towers.champion, "baseline": baseline.embeddings() if baseline else ""}
        given = {"embeddings": towers.embeddings(), "external_runs": OWN_RUNS, "alias": towers.alias, **against, **day}
        ranked = job("rankings", index=made, rankings=rankings, min_relevance="{{ params.min_relevance }}", **given)
        judged = {"index": made, **day, "alt_relevance": IMPRESSIONS.at(ds=DAY)}
        index >> ranked
        decide(ranked, rankings, report, towers.alias, judged, MEASURES_FORM | GATE_FORM)
    return group


def decide(
    ranked: BaseOperator,
    rankings: Partition,
    report: Partition,
    alias: str,
    given: Mapping[str, Partition],
    settings: dict[str, Param],
) -> None:
    """Check rankings, report on them, promote what they are of. given, settings: further flags of the report."""
    checked = job("expect", "expect_rankings", partitions=str(rankings))
    reported = job("report", rankings=rankings, **given, report=report, **templates(settings))
    promoted = job("promote", report=report, alias=alias, **templates(PROMOTION_FORM))
    # promote depends on the report alone: what was not judged must not be served
    ranked >> checked >> reported >> Approval(task_id="approve") >> promoted

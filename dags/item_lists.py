"""Steps of recommendations_nightly: vectors of items, the verdict on their lists, lists for clients."""

from __future__ import annotations

from airflow.sdk import BaseOperator

from dags.approval import approve_param
from dags.day import DAY, result
from dags.forms import form, templates
from dags.runner import job, of_day
from dags.steps import GATE_FORM, PROMOTION_FORM, decide
from jobs.lake.partitions import (
    EMBEDDINGS,
    HOLDOUT_QRELS,
    HOLDOUT_QUERIES,
    HOLDOUT_SESSIONS,
    ITEM2VEC,
    ITEMS,
    RANKINGS,
    RECOMMENDATIONS,
    REPORT,
    SESSION_EVENTS,
    SESSION_ITEMS,
    USER_RECOMMENDATIONS,
    Partition,
)

# fields of the form that steps of this file read
VECTORS = form("item2vec", "Vectors", "vector_size epochs ns_exponent sample")
CLIENTS = form("user_recommendations", "Clients", "active_days decay")
FORM = VECTORS | CLIENTS | GATE_FORM | PROMOTION_FORM | approve_param()
ALIAS = "recommendations/champion"


def vectors(method: str, **sessions: Partition) -> tuple[BaseOperator, BaseOperator, Partition]:
    """Train item vectors, embed the catalogue with them, check them: the first and the last task, and the shard."""
    model = ITEM2VEC.at(ds=DAY, method=method)
    trained = job("item2vec", method, items=ITEMS.at(ds=DAY), item2vec=model, **sessions, **templates(VECTORS))
    shard = EMBEDDINGS.at(ds=DAY, space=result(method, "space"), shard="0of1")
    embedded = job("item_embeddings", f"embed_{method}", items=ITEMS.at(ds=DAY), item2vec=model, embeddings=shard)
    checked = job("expect", f"expect_{method}", partitions=str(shard))
    trained >> embedded >> checked
    return trained, checked, shard


def judge_lists(lists: Partition) -> BaseOperator:
    """Rank the held-out sessions, report, promote; the first of these tasks."""
    at = {"ds": DAY, "space": result("recommendations", "lists_id")}
    rankings, bundle, items = RANKINGS.at(**at), RECOMMENDATIONS.at(ds=DAY), ITEMS.at(ds=DAY)
    held_out = of_day(HOLDOUT_SESSIONS, HOLDOUT_QUERIES, HOLDOUT_QRELS)
    given = {**held_out, "items": items, "recommendations": bundle, "item_neighbours": lists}
    ranked = job("neighbour_rankings", **given, rankings=rankings, alias=ALIAS)
    judged = {
        "index": bundle,
        "queries": held_out["holdout_queries"],
        "qrels": held_out["holdout_qrels"],
        "items": items,
    }
    decide(ranked, rankings, REPORT.at(**at), ALIAS, judged, GATE_FORM)
    return ranked


def lists_of_clients(lists: Partition) -> BaseOperator:
    """Lists for clients, and their verdict; the first of these tasks."""
    people = USER_RECOMMENDATIONS.at(ds=DAY, method="lists")
    made = job(
        "user_recommendations",
        **of_day(SESSION_ITEMS, ITEMS, SESSION_EVENTS, HOLDOUT_SESSIONS),
        item_neighbours=lists,
        user_recommendations=people,
        **templates(CLIENTS),
    )
    made >> job("expect", "expect_clients", partitions=str(people))
    return made

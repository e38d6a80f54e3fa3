"""Nightly: from the sessions of a window to neighbours of every item, lists for clients, and the bundle that a service reads.

**Reads** `session_events` of the window, `items` of the day.

**Writes** `holdout_sessions` (the sessions that judge), `session_items`, `co_occurrences`, `item2vec` and `embeddings` of two spaces
(content, prod2vec), `item_neighbours`, `recommendations`, `rankings` and `report` in the space `lists_id`,
`user_recommendations`; moves `recommendations/champion` when the report's gate lets it pass.

**Gates** `expect_neighbours`: every living item once, and the served lists no worse than popularity; what it stops no task
reads. `report`: served lists against those in service, on the same test sessions.

**If red**

- `check`: a setting that a later task would refuse. Trigger a new run with another.
- `wait`: `pairs_daily` has not finished that day, or stopped it. Look there first.
- `expect_sessions`: sessions are cut, doubled or of a later day; look at `session_events` of the window.
- `expect_neighbours`: the Data Docs give the reason. "find more than popularity": were sessions joined to another catalogue?
- `embed_*`: "has space id": its model was trained anew while this task waited; clear the task `content` or `prod2vec` too.
- `expect_content`, `expect_prod2vec`: vectors that are not of this catalogue, or all alike; clear `content` or `prod2vec`.
- `promote` green but nothing moved: the gate stopped it. The report gives the reasons.
- `approve` waits: the form asked for a person's approval. Answer under Required Actions; after 12 hours it is refused.
- anything else: read its last line, clear it. `item_neighbours` goes on with the block at which it was stopped.

Starts when `pairs_daily` announces a day. Roll back by the DAG `rollback`, with the alias `recommendations/champion`.
"""

from __future__ import annotations

from airflow.sdk import DAG, IdentityMapper, PartitionedAssetTimetable

from dags.day import DAY, EVERY_DAG, PAIRS_READY, day_param
from dags.forms import form, templates
from dags.item_lists import FORM, judge_lists, lists_of_clients, vectors
from dags.runner import check_settings, job, listed, of_day, take_turn, wait_for
from jobs.lake.partitions import (
    CO_OCCURRENCES,
    HOLDOUT_QRELS,
    HOLDOUT_QUERIES,
    HOLDOUT_SESSIONS,
    ITEM2VEC,
    ITEM_NEIGHBOURS,
    ITEMS,
    RECOMMENDATIONS,
    SESSION_EVENTS,
    SESSION_ITEMS,
)

HELD_OUT = form("holdout_sessions", "Judgements", "split_by")
WINDOW = form("session_items", "Sessions", "window_days max_items recommendation_weight")
PAIRED = form("co_occurrences", "Sessions", "max_gap min_voices half_life_days")
LISTS = form("item_neighbours", "Neighbours", "thin min_cosine near_duplicate search")

with DAG(
    "recommendations_nightly",
    # one run for each announced day, never two days in one
    schedule=PartitionedAssetTimetable(assets=PAIRS_READY, default_partition_mapper=IdentityMapper()),
    # a run by hand that waits for its day must not block the night; `turn` moves the champion one day at a time
    max_active_runs=16,
    **EVERY_DAG,
    params=day_param() | HELD_OUT | WINDOW | PAIRED | LISTS | FORM,
    tags=["serving", "tier-2"],
    doc_md=__doc__,
) as dag:
    wait = wait_for(ITEMS.at(ds=DAY), SESSION_EVENTS.at(ds=DAY), hours=1, gated=True)
    held_out = job(
        "holdout_sessions",
        **of_day(SESSION_EVENTS, HOLDOUT_SESSIONS),
        holdout_days=1,
        window_days="{{ params.window_days }}",
        **templates(HELD_OUT),
    )
    in_order = job("session_items", **of_day(SESSION_EVENTS, HOLDOUT_SESSIONS, SESSION_ITEMS), **templates(WINDOW))
    paired = job("co_occurrences", **of_day(SESSION_ITEMS, CO_OCCURRENCES), **templates(PAIRED))
    made = (HOLDOUT_SESSIONS, HOLDOUT_QUERIES, HOLDOUT_QRELS, SESSION_ITEMS, CO_OCCURRENCES)
    sound = job("expect", "expect_sessions", partitions=listed(*made))
    words, of_words, content = vectors("content")
    learnt, of_sessions, prod2vec = vectors("prod2vec", session_items=SESSION_ITEMS.at(ds=DAY))
    lists = ITEM_NEIGHBOURS.at(ds=DAY, method="hybrid")
    neighbours = job(
        "item_neighbours",
        **of_day(ITEMS, CO_OCCURRENCES, HOLDOUT_SESSIONS),
        content=content,
        prod2vec=prod2vec,
        item_neighbours=lists,
        **templates(LISTS),
    )
    gate = job("expect", "expect_neighbours", partitions=str(lists))
    bundle = job(
        "recommendations",
        **of_day(ITEMS, RECOMMENDATIONS),
        item_neighbours=lists,
        item2vec=ITEM2VEC.at(ds=DAY, method="content"),
        content=content,
    )
    ranked = judge_lists(lists)
    for_clients = lists_of_clients(lists)

    held_out >> in_order >> paired >> sound
    # nothing is learnt of sessions that were not checked
    sound >> learnt
    [sound, of_words, of_sessions] >> neighbours >> gate
    # both depend on the gate: lists that it stopped must not be served, nor sent to anybody
    gate >> [bundle, for_clients]
    bundle >> ranked
    check_settings(dag) >> wait >> take_turn(last="promote") >> [held_out, words]

"""Queries worth looking at, with what each arm shows for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import find, numbers, strings
from jobs.display import printable
from jobs.evaluation import Evaluation

SHOWN_ITEMS = 5
ARMS = ("dense", "sparse", "hybrid")


@dataclass(frozen=True)
class Shown:
    """One item of a list. mark: relevant, judged (and not relevant) or unjudged."""

    title: str
    item_id: str
    mark: str
    grade: str


@dataclass(frozen=True)
class Example:
    """One query: why it was chosen, and the first items of each arm."""

    why: str
    query: str
    segment: str
    relevant: int
    said: dict[str, str]
    lists: dict[str, list[Shown]]


def choose_examples(
    found: Evaluation, rankings: pa.Table, queries: pa.Table, items: pa.Table, per_kind: int = 2
) -> list[Example]:
    """Choose queries where the arms differ most, where nothing is found, and the most searched."""
    chosen = _chosen(found, queries, per_kind)
    ids = [found.judgements.query_ids[row] for row in chosen]
    judged = {found.judgements.query_ids[row]: found.judgements.of_query(row) for row in chosen}
    rows = rankings.filter(
        pc.field("query_id").isin(ids)
        & (pc.field("rank") <= SHOWN_ITEMS)
        & pc.field("arm").isin(list(ARMS))
    ).sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    titles = _titles(strings(rows, "item_id"), items)
    lists: dict[tuple[str, str], list[Shown]] = {}
    columns = (strings(rows, name) for name in ("arm", "query_id", "item_id"))
    for arm, query_id, item_id in zip(*columns, strict=True):
        shown = _shown(judged[query_id], item_id, titles.get(item_id, ""))
        lists.setdefault((arm, query_id), []).append(shown)
    known = find(ids, strings(queries, "query_id"))
    texts, segments = strings(queries, "query"), strings(queries, "segment")
    return [
        Example(
            why=why,
            query=printable(texts[known[place]]) or "(nothing visible)",
            segment=segments[known[place]],
            relevant=int(found.judgements.judged.relevant_per_query()[row]),
            said={arm: _said(found, arm, row) for arm in _arms(found)},
            lists={arm: lists.get((arm, ids[place]), []) for arm in _arms(found)},
        )
        for place, (row, why) in enumerate(chosen.items())
    ]


def _arms(found: Evaluation) -> list[str]:
    return [arm for arm in ARMS if arm in found.arms]


def _chosen(found: Evaluation, queries: pa.Table, per_kind: int) -> dict[int, str]:
    """Row of the evaluation -> why, in the order in which they are shown."""
    # by the first ten: a difference that a shopper, and the reader of the page, sees
    recall = {arm: found.arms[arm].column("R@10") for arm in _arms(found)}
    whole = {arm: found.arms[arm].column("R@100") for arm in _arms(found)}
    nothing = np.zeros(len(found.judgements))
    lead = recall.get("dense", nothing) - recall.get("sparse", nothing)
    missed = np.where(sum(whole.values(), nothing) == 0, 1.0, 0.0)
    counts = np.append(numbers(queries, "searches"), 0)
    searches = counts[find(found.judgements.query_ids, strings(queries, "query_id"))]
    sizes = found.judgements.judged.relevant_per_query()
    chosen: dict[int, str] = {}
    for why, worth in (
        ("Dense finds what sparse misses", lead),
        ("Sparse finds what dense misses", -lead),
        ("No arm finds anything", missed),
        ("Most searched", searches.astype(np.float64)),
    ):
        # among equals, the query with more to find says more
        order = np.lexsort((-sizes, -worth))
        fresh = [int(row) for row in order if int(row) not in chosen and worth[row] > 0]
        chosen.update(dict.fromkeys(fresh[:per_kind], why))
    return chosen


def _said(found: Evaluation, arm: str, row: int) -> str:
    """Where the first relevant item of a list stands."""
    reciprocal = float(found.arms[arm].column("RR@100")[row])
    return f"first relevant at {round(1 / reciprocal)}" if reciprocal else "none in 100"


def _titles(wanted: list[str], items: pa.Table) -> dict[str, str]:
    kept = items.filter(pc.field("item_id").isin(sorted(set(wanted))))
    return dict(zip(strings(kept, "item_id"), strings(kept, "title"), strict=True))


def _shown(judged: dict[str, tuple[float, bool]], item_id: str, title: str) -> Shown:
    relevance, relevant = judged.get(item_id, (None, False))
    mark = "unjudged" if relevance is None else "relevant" if relevant else "judged"
    said = "" if relevance is None else f"{round(relevance, 4):g}"
    return Shown(printable(title) or "(no title)", printable(item_id, 40), mark, said)

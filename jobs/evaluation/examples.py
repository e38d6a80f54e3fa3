"""Queries worth looking at, with what each arm shows for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.evaluation.measures import Evaluation
from jobs.lake.arrow import find, numbers, strings
from jobs.platform.display import printable

SHOWN_ITEMS = 5
# (arm, other, why where arm leads, why where other does)
LEADS = (
    ("champion_hybrid", "hybrid", "Worse than in service", "Better than in service"),
    ("dense", "sparse", "Dense finds what sparse misses", "Sparse finds what dense misses"),
)
ARMS = ("dense", "sparse", "hybrid")
WITH_CHAMPION = ("hybrid", "champion_hybrid", "dense")
NEAR = 60  # an item is shown by one arm alone where no other has it among so many


@dataclass(frozen=True)
class Shown:
    """One item of a list. mark: relevant, judged (and not relevant) or unjudged. alone: no other arm shown
    has it among its first 60."""

    title: str
    item_id: str
    mark: str
    grade: str
    alone: bool


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
    arms = _arms(found)
    rows = rankings.filter(
        pc.field("query_id").isin(ids) & (pc.field("rank") <= NEAR) & pc.field("arm").isin(arms)
    ).sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    has: dict[tuple[str, str], set[str]] = {}
    for row in rows.select(["arm", "query_id", "item_id"]).to_pylist():
        has.setdefault((row["query_id"], row["item_id"]), set()).add(row["arm"])
    rows = rows.filter(pc.field("rank") <= SHOWN_ITEMS)
    titles = _titles(strings(rows, "item_id"), items)
    lists: dict[tuple[str, str], list[Shown]] = {}
    columns = (strings(rows, name) for name in ("arm", "query_id", "item_id"))
    for arm, query_id, item_id in zip(*columns, strict=True):
        alone = len(arms) > 1 and has[query_id, item_id] == {arm}
        shown = _shown(judged[query_id], item_id, titles.get(item_id, ""), alone)
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
    """Arms whose lists are shown: beside the champion's, where it was ranked."""
    wanted = WITH_CHAMPION if "champion_hybrid" in found.arms else ARMS
    return [arm for arm in wanted if arm in found.arms]


def _chosen(found: Evaluation, queries: pa.Table, per_kind: int) -> dict[int, str]:
    """Row of the evaluation -> why, in the order in which they are shown."""
    # by the first ten: a difference that a shopper, and the reader of the page, sees
    whole = [one.column("R@100") for arm, one in found.arms.items() if not arm.startswith("champion_")]
    missed = np.where(sum(whole) == 0, 1.0, 0.0)
    counts = np.append(numbers(queries, "searches"), 0)
    searches = counts[find(found.judgements.query_ids, strings(queries, "query_id"))]
    sizes = found.judgements.judged.relevant_per_query()
    reasons: list[tuple[str, NDArray[np.float64]]] = []
    for arm, other, more, fewer in LEADS:
        if arm in found.arms and other in found.arms:
            lead = found.arms[arm].column("R@10") - found.arms[other].column("R@10")
            reasons += [(more, lead), (fewer, -lead)]
    reasons += [("No arm finds anything", missed), ("Most searched", searches.astype(np.float64))]
    chosen: dict[int, str] = {}
    for why, worth in reasons:
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


def _shown(judged: dict[str, tuple[float, bool]], item_id: str, title: str, alone: bool) -> Shown:
    relevance, relevant = judged.get(item_id, (None, False))
    mark = "unjudged" if relevance is None else "relevant" if relevant else "judged"
    said = "" if relevance is None else f"{round(relevance, 4):g}"
    return Shown(printable(title) or "(no title)", printable(item_id, 40), mark, said, alone)

"""Queries worth looking at, with the list of each arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.evaluation.measures import Evaluation
from jobs.evaluation.report_data import ReportData
from jobs.evaluation.room import ReportRoom
from jobs.lake.arrow import find, numbers, strings
from jobs.platform.html import printable

SHOWN_ITEMS = 5
SHOWN_GIVEN = 3  # items of a session
PER_KIND = 2  # queries with the same reason
NEAR = 60  # "only here": in the first 60 of no other arm that is shown


@dataclass(frozen=True)
class Shown:
    """One item of a list. mark: relevant, judged (and not relevant) or unjudged. alone: no other arm that is shown
    has it in its first 60."""

    title: str
    item_id: str
    mark: str
    grade: str
    alone: bool


@dataclass(frozen=True)
class Example:
    """One query: the reason for its choice, and the first items of each arm."""

    why: str
    query: str
    segment: str
    relevant: int
    said: dict[str, str]
    lists: dict[str, list[Shown]]


def choose_examples(data: ReportData) -> list[Example]:
    """Choose queries where the arms differ most, where nothing is found, and the most searched."""
    evaluation, queries = data.evaluation, data.rows.queries
    headline = data.room.headline(evaluation.arms)
    arms = _arms(headline, data.room.sides, evaluation)
    chosen = _chosen(headline, data.room.sides, evaluation, queries)
    ids = [evaluation.judgements.query_ids[row] for row in chosen]
    judged = {evaluation.judgements.query_ids[row]: evaluation.judgements.of_query(row) for row in chosen}
    rows = data.rows.ranked.filter(
        pc.field("query_id").isin(ids) & (pc.field("rank") <= NEAR) & pc.field("arm").isin(arms)
    ).sort_by([("arm", "ascending"), ("query_id", "ascending"), ("rank", "ascending")])
    has: dict[tuple[str, str], set[str]] = {}
    for row in rows.select(["arm", "query_id", "item_id"]).to_pylist():
        has.setdefault((row["query_id"], row["item_id"]), set()).add(row["arm"])
    rows = rows.filter(pc.field("rank") <= SHOWN_ITEMS)
    known = find(ids, strings(queries, "query_id"))
    texts, segments = strings(queries, "query"), strings(queries, "segment")
    given = [] if data.room.searches else [item for row in known for item in texts[row].split(" ")]
    titles = _titles([*strings(rows, "item_id"), *given], data.rows.items)
    lists: dict[tuple[str, str], list[Shown]] = {}
    columns = (strings(rows, name) for name in ("arm", "query_id", "item_id"))
    for arm, query_id, item_id in zip(*columns, strict=True):
        alone = len(arms) > 1 and has[query_id, item_id] == {arm}
        shown = _shown(judged[query_id], item_id, titles.get(item_id, ""), alone)
        lists.setdefault((arm, query_id), []).append(shown)
    return [
        Example(
            why=why,
            query=printable(_asked(texts[known[place]], titles, data.room)) or "(nothing visible)",
            segment=segments[known[place]],
            relevant=int(evaluation.judgements.judged.relevant_per_query()[row]),
            said={arm: _said(evaluation, arm, row) for arm in arms},
            lists={arm: lists.get((arm, ids[place]), []) for arm in arms},
        )
        for place, (row, why) in enumerate(chosen.items())
    ]


def _arms(headline: str, sides: tuple[str, str], evaluation: Evaluation) -> list[str]:
    """Arms whose lists are shown: beside the champion's, where it was ranked."""
    champion = f"champion_{headline}"
    others = [arm for arm in sides if arm != headline]
    wanted = (headline, champion, *others[:1]) if champion in evaluation.arms else (*sides, headline)
    return [arm for arm in dict.fromkeys(wanted) if arm in evaluation.arms]


def _chosen(headline: str, sides: tuple[str, str], evaluation: Evaluation, queries: pa.Table) -> dict[int, str]:
    """Row of the evaluation -> reason for its choice, in the order of display."""
    # by the first ten: a shopper, and the reader of the page, sees that difference
    leads = (
        (f"champion_{headline}", headline, "Worse than in service", "Better than in service"),
        (*sides, *(f"{one.capitalize()} finds what {other} misses" for one, other in (sides, sides[::-1]))),
    )
    whole = [values.column("R@100") for arm, values in evaluation.arms.items() if not arm.startswith("champion_")]
    missed = np.where(sum(whole) == 0, 1.0, 0.0)
    counts = np.append(numbers(queries, "searches"), 0)
    searches = counts[find(evaluation.judgements.query_ids, strings(queries, "query_id"))]
    sizes = evaluation.judgements.judged.relevant_per_query()
    reasons: list[tuple[str, NDArray[np.float64]]] = []
    for arm, other, more, fewer in leads:
        if arm in evaluation.arms and other in evaluation.arms:
            lead = evaluation.arms[arm].column("R@10") - evaluation.arms[other].column("R@10")
            reasons += [(more, lead), (fewer, -lead)]
    reasons += [("No arm finds anything", missed), ("Most searched", searches.astype(np.float64))]
    chosen: dict[int, str] = {}
    for why, worth in reasons:
        # among equals, the query with more relevant items
        order = np.lexsort((-sizes, -worth))
        fresh = [int(row) for row in order if int(row) not in chosen and worth[row] > 0]
        chosen.update(dict.fromkeys(fresh[:PER_KIND], why))
    return chosen


def _said(evaluation: Evaluation, arm: str, row: int) -> str:
    """Rank of the first relevant item of a list."""
    reciprocal = float(evaluation.arms[arm].column("RR@100")[row])
    return f"first relevant at {round(1 / reciprocal)}" if reciprocal else "none in 100"


def _asked(text: str, titles: dict[str, str], room: ReportRoom) -> str:
    """A query as people read it: of a session, the titles of the last items that it gives."""
    return text if room.searches else " › ".join(titles.get(item, item) for item in text.split(" ")[-SHOWN_GIVEN:])


def _titles(wanted: list[str], items: pa.Table) -> dict[str, str]:
    kept = items.filter(pc.field("item_id").isin(sorted(set(wanted))))
    return dict(zip(strings(kept, "item_id"), strings(kept, "title"), strict=True))


def _shown(judged: dict[str, tuple[float, bool]], item_id: str, title: str, alone: bool) -> Shown:
    relevance, relevant = judged.get(item_id, (None, False))
    mark = "unjudged" if relevance is None else "relevant" if relevant else "judged"
    grade = "" if relevance is None else f"{round(relevance, 4):g}"
    return Shown(printable(title) or "(no title)", printable(item_id, 40), mark, grade, alone)

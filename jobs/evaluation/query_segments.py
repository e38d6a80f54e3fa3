"""Segments of judged queries: how often searched, how worded, how long, of which category, of new items or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.datasets.judgements import Judgements
from jobs.evaluation.room import ReportRoom
from jobs.lake.arrow import Rows, Strings, find, large, pick, strings, texts
from jobs.platform.html import printable
from models.evaluation import query_slices as slices

Mask = NDArray[np.bool_]
Groups = dict[str, dict[str, Mask]]
SEARCHED = ("head", "torso", "tail", "unseen")
SUPPORT = dict(zip(("head", "warm", "cold", "new"), SEARCHED, strict=True))  # of the item that a session ends with
CATEGORIES = 12  # the largest, by queries; the rest is `(other)`
SEVERAL = 3  # top categories among the relevant items from which a query is ambiguous
TITLES = 1_000_000  # of the catalogue, for its words: bounds time and memory
SHOWN_TITLES = 50  # of a query's relevant items, whose words are compared


def segments_of(
    room: ReportRoom, judgements: Judgements, queries: pa.Table, items: pa.Table, known_items: Strings | None = None
) -> Groups:
    """Group -> segment -> queries [Q].

    queries: query_id, query, segment. items: item_id, title, category, brand. known_items: items that training
    saw; a query is of new items when most of its relevant items are not among them. A session is of the support of its
    last item, and as long as the items that it gives.
    """
    at = find(judgements.query_ids, strings(queries, "query_id"))
    typed, searched = strings(queries, "query"), strings(queries, "segment")
    asked = [typed[row] if row >= 0 else "" for row in at]
    often = np.array([searched[row] if row >= 0 else "unseen" for row in at], np.str_)
    row_of = find(judgements.item_ids, large(items.column("item_id").chunks))
    groups: Groups = _of_texts(judgements, asked, often, items, row_of) if room.searches else _of_sessions(asked, often)
    groups |= _categories(judgements, items, row_of)
    if known_items is not None:
        fresh = find(judgements.item_ids, known_items) < 0
        share = _share(judgements, fresh)
        groups["items"] = {"new items": share > 0.5, "known items": share <= 0.5}
    # a segment of all queries repeats the mean
    return {
        group: {name: rows for name, rows in some.items() if rows.any() and not rows.all()}
        for group, some in groups.items()
    }


def _of_texts(
    judgements: Judgements, asked: list[str], often: NDArray[np.str_], items: pa.Table, row_of: Rows
) -> Groups:
    return {
        "searched": {name: often == name for name in SEARCHED},
        "wording": _wording(judgements, asked, items, row_of),
        "length": _each(slices.lengths(asked)),
    }


def _of_sessions(asked: list[str], often: NDArray[np.str_]) -> Groups:
    """By what is known of the last given item, and by the number of given items, which are the words of the query."""
    given = np.array([text.count(" ") + 1 for text in asked])
    return {
        "last item": {name: often == stored for name, stored in SUPPORT.items()},
        "given": _each(np.select([given == 1, given < 4], ["1 item", "2-3 items"], "4+ items")),
    }


def _wording(judgements: Judgements, asked: list[str], items: pa.Table, row_of: Rows) -> dict[str, Mask]:
    titles = strings(items.slice(0, TITLES), "title")
    matched = slices.exact_matches(asked, _titles(judgements, items, row_of))
    return {
        "every word in a title": matched,
        "no title has every word": ~matched,
        "model number": slices.model_numbers(asked),
        "likely typo": slices.likely_typos(asked, slices.words_of(titles)),
        "diacritics left out": slices.marks_left_out(asked, titles),
        "brand named": slices.brand_named(asked, texts(items.column("brand").unique())),
    }


def _titles(judgements: Judgements, items: pa.Table, row_of: Rows) -> list[list[str]]:
    """Titles of the relevant items of each query, up to SHOWN_TITLES."""
    judged = judgements.judged
    query = judged.query[judged.relevant]
    row = row_of[(judged.keys % judged.n_items)[judged.relevant]]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    kept = (row >= 0) & (place < SHOWN_TITLES)
    names = texts(pick(large(items.column("title").chunks), row[kept]))
    titles: list[list[str]] = [[] for _ in range(judged.n_queries)]
    for owner, name in zip(query[kept].tolist(), names, strict=True):
        titles[owner].append(name)
    return titles


def _categories(judgements: Judgements, items: pa.Table, row_of: Rows) -> Groups:
    """By the commonest top category among the relevant items, and by the number of their categories."""
    coded = large(items.column("category").chunks).fill_null("").dictionary_encode()
    tops = [printable(path.partition(" > ")[0], 60) or "(none)" for path in texts(coded.dictionary)]
    names, top_of = np.unique(np.array(tops, np.str_), return_inverse=True)
    code = top_of[coded.indices.to_numpy(zero_copy_only=False)]
    judged = judgements.judged
    row = row_of[(judged.keys % judged.n_items)[judged.relevant]]
    query, code = judged.query[judged.relevant][row >= 0], code[row[row >= 0]]
    pairs, counts = np.unique(query * len(names) + code, return_counts=True)
    owner, top = pairs // len(names), pairs % len(names)
    order = np.lexsort((top, -counts, owner))
    first = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
    main = np.full(judged.n_queries, -1, np.int64)
    main[owner[first]] = top[first]
    several = np.bincount(owner, minlength=judged.n_queries)
    largest = np.argsort(-np.bincount(main[main >= 0], minlength=len(names)), kind="stable")[:CATEGORIES]
    chosen = {str(names[place]): main == place for place in largest.tolist()}
    return {
        "category": {**chosen, "(other)": (main >= 0) & ~np.isin(main, largest)},
        "breadth": {
            f"{SEVERAL} categories or more": several >= SEVERAL,
            f"fewer than {SEVERAL} categories": (several > 0) & (several < SEVERAL),
        },
    }


def _share(judgements: Judgements, items: Mask) -> NDArray[np.float64]:
    """Share [Q] of each query's relevant items that are among those of a mask [N]."""
    judged = judgements.judged
    mine = items[judged.keys % judged.n_items] & judged.relevant
    return np.bincount(judged.query[mine], minlength=judged.n_queries) / judged.relevant_per_query()


def _each(names: Sequence[str] | NDArray[np.str_]) -> dict[str, Mask]:
    values = np.asarray(names, np.str_)
    return {str(name): values == name for name in np.unique(values)}

"""ROOM=recommendations: item to item on real sessions beside the usual recipes, on the same bytes in one process.

RR@25: the last item of a session, predicted from the one before it. Weights of the hybrid are fitted on dev, figures are of
test. The pairs come from the lake's own texts (sql/session_items.sql, sql/co_occurrences.sql), run by DuckDB.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.ann.exact import nearest
from models.evaluation.significance import permutation_p
from models.fusion.mixture import fit_mixture, mix
from models.fusion.ranked_lists import Ranked
from models.recommendations import arms as arms_of
from models.recommendations.arms import ARMS, CLASSES, CoOccurrences, KnownLists, classes_of
from models.recommendations.item2vec import SkipGram, train_items, train_words
from models.recommendations.word_vectors import inverse_frequencies, text_vectors, words_of
from tests import duck
from tests.benchmarks._next_item import RETAIL, Dataset, Split, datasets
from tests.benchmarks._next_item_peers import peers

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
DEPTH, POOL, THIN = 25, 200, 20
PROD2VEC = SkipGram(window=3, epochs=30)


def main() -> None:
    """Each data set in turn."""
    wanted = " ".join(sys.argv[1:])
    for dataset in datasets():
        if wanted not in dataset.name:
            continue
        names = sorted(
            {item for split in (dataset.dev, dataset.test) for _, items in split.train for item in items}
            | set(dataset.titles)
        )
        dev, test = (Known(dataset, split, names) for split in (dataset.dev, dataset.test))
        weights, worth = fit_mixture(
            dev.ranked, dev.target, dev.classes, len(CLASSES), arms_of.START[:, : len(dev.ranked)], DEPTH
        )
        hybrid = mix(test.ranked, weights[test.classes], DEPTH)
        _tell(dataset.name, test, hybrid, {"weights": weights.round(2).tolist(), "dev": worth.round(4).tolist()})


def _tell(name: str, test: Known, hybrid: Ranked, more: dict[str, Any]) -> None:
    ours = reciprocal_ranks(hybrid, test.target)
    theirs = {peer: reciprocal_ranks(lists, test.target) for peer, lists in test.peers().items()}
    own = {arm: reciprocal_ranks(lists, test.target) for arm, lists in zip(ARMS, test.ranked, strict=False)}
    for peer, values in {**theirs, **own}.items():
        classes = ((label, test.classes == number) for number, label in enumerate(CLASSES))
        for label, rows in (("all", np.ones(len(ours), bool)), *classes):
            if rows.any() and (label == "all" or name == RETAIL):
                line = {
                    "name": f"{name}, {label} source items",
                    "queries": int(rows.sum()),
                    "ours": round(float(ours[rows].mean()), 4),
                    "peer": round(float(values[rows].mean()), 4),
                    "peer_name": peer,
                    "p": round(float(permutation_p((ours - values)[rows][:, None])[0]), 4),
                    "unit": "RR@25",
                }
                sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.write(json.dumps({"name": name, "arms": ARMS[: len(test.ranked)], **more}) + "\n")
    sys.stdout.flush()


def reciprocal_ranks(ranked: Ranked, target: Rows) -> Floats:
    """1 / rank [Q] of the target among the first 25."""
    hit = (ranked.items[:, :DEPTH] == target[:, None]) & (target >= 0)[:, None]
    return np.where(hit.any(axis=1), 1.0 / (1 + hit.argmax(axis=1)), 0.0)


class Known:
    """What a split's training sessions say of its source items: every arm, as lists."""

    def __init__(self, dataset: Dataset, split: Split, names: list[str]) -> None:
        self.split, self.names = split, names
        self.row = {name: row for row, name in enumerate(names)}
        asked = [(self.row.get(item, -1), self.row.get(after, -1)) for item, after in split.pairs]
        self.source, self.target = np.array(asked, np.int64).T
        self.pairs, self.support = self._pairs(dataset)
        self.classes = classes_of(np.where(self.source < 0, 0, self.support[self.source]), THIN)
        self.ranked = [self._of_sources(arm) for arm in self._arms(dataset)]

    def _pairs(self, dataset: Dataset) -> tuple[CoOccurrences, Rows]:
        """The tables session_items and co_occurrences, made by the lake's own texts."""
        items = [(f"{number:08d}", day, item) for number, (day, some) in enumerate(self.split.train) for item in some]
        session, day, item = zip(*items, strict=True)
        moments = [datetime.fromisoformat(f"{one}T00:00:00+00:00") for one in day]
        events = pa.table(
            {
                "session_id": session,
                "client_id": pa.nulls(len(items), pa.string()),
                "item_id": item,
                "ordinal": np.arange(len(items)),
                "occurred_at": moments,
                "placement": ["basket"] * len(items),
                "action": ["purchase"] * len(items),
                "day": [moment.date() for moment in moments],
            }
        )
        engine = duck.connect()
        engine.register("session_events", events)
        engine.register("held_out", events.select(["session_id"]).slice(0, 0))
        settings = {"recommendation_weight": 0.0, "max_items": 200}
        engine.execute(f"CREATE TABLE session_items AS {duck.bound('session_items')}", settings)
        settings = {"ds": self.split.last_day, "half_life_days": dataset.half_life_days, "max_gap": 10}
        found = duck.rows_of(engine, "co_occurrences", {**settings, "min_voices": 1, "max_others": 1_000})
        known = engine.sql(
            "SELECT item_id, COUNT(DISTINCT session_id) AS n FROM session_items GROUP BY item_id"
        ).fetchall()
        support = np.zeros(len(self.names), np.int64)
        support[[self.row[name] for name, _ in known]] = [n for _, n in known]
        rows = {name: np.array([self.row[one] for one in found[name].to_pylist()]) for name in ("item_id", "other_id")}
        weights = (found[name].to_numpy().astype(float) for name in ("followed_by", "preceded_by", "together"))
        return CoOccurrences(rows["item_id"], rows["other_id"], *weights, support[rows["other_id"]]), support

    def _arms(self, dataset: Dataset) -> list[Ranked]:
        n_items = len(self.names)
        together = arms_of.collaborative(self.pairs, n_items, POOL)
        every = np.arange(n_items)
        arms = [*together.values(), arms_of.without_source(self._prod2vec(), every)]
        if dataset.titles:
            alike = arms_of.without_source(_alike([words_of(dataset.titles[name]) for name in self.names]), every)
            arms += arms_of.content(
                alike, self.support, THIN, KnownLists.of(every, together["together"], n_items)
            ).values()
        return arms

    def _prod2vec(self) -> Ranked:
        learnt = train_items([items for _, items in self.split.train], PROD2VEC)
        rows = np.array([self.row[word] for word in learnt.words])
        scores, near = nearest(learnt.vectors, [learnt.vectors], POOL)
        items, squares = np.full((len(self.names), POOL), -1, np.int64), np.full((len(self.names), POOL), -np.inf)
        items[rows], squares[rows] = rows[near], np.maximum(scores, 0) ** 2
        return Ranked(items, squares.astype(np.float32))

    def _of_sources(self, arm: Ranked) -> Ranked:
        lists = Ranked(arm.items[self.source], arm.scores[self.source])
        return Ranked(np.where(self.source[:, None] < 0, -1, lists.items), lists.scores)

    def peers(self) -> dict[str, Ranked]:
        """The usual recipes on the same sessions; popularity may name the source itself, as it does in the recipe."""
        sessions = [np.array([self.row[item] for item in items]) for _, items in self.split.train]
        return peers(sessions, len(self.names), self.source)


def _alike(texts: list[list[str]]) -> Ranked:
    words = train_words(texts, SkipGram(window=5, epochs=10))
    vectors = text_vectors(texts, lambda word: words[word], inverse_frequencies(texts), 192)
    scores, near = nearest(vectors, [vectors], POOL)
    return Ranked(near, scores)


if __name__ == "__main__":
    main()

"""ROOM=recommendations: item to item on real sessions beside the usual recipes, on the same bytes in one process.

RR@25: the last item of a session, predicted from the one before it. Weights of the hybrid are fitted on dev, figures are of
test. The pairs come from the lake's own texts (sql/session_items.sql, sql/co_occurrences.sql), run by DuckDB.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ann.exact import nearest
from models.evaluation.intervals import mean_interval
from models.evaluation.significance import permutation_p
from models.fusion.mixture import fit_mixture, mix
from models.fusion.ranked_lists import Ranked
from models.recommendations import arms as arms_of
from models.recommendations import users
from models.recommendations.arms import ARMS, CLASSES, CoOccurrences, KnownLists, classes_of
from models.recommendations.item2vec import SkipGram, train_items, train_words
from models.recommendations.word_vectors import inverse_frequencies, text_vectors, words_of
from tests.benchmarks._next_item import RETAIL, Dataset, Split, datasets
from tests.benchmarks._next_item_lake import co_occurrences, session_items
from tests.benchmarks._next_item_peers import best_of, counts, peers, together

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
DEPTH, POOL, THIN = 25, 200, 20
PROD2VEC = SkipGram(window=3, epochs=30)


def main() -> None:
    """Each data set in turn."""
    for dataset in datasets(" ".join(sys.argv[1:])):
        names = sorted(
            {item for split in (dataset.dev, dataset.test) for _, items in split.train for item in items}
            | set(dataset.titles)
        )
        dev, test = (Known(dataset, split, names) for split in (dataset.dev, dataset.test))
        weights, worth = fit_mixture(
            dev.ranked, dev.target, dev.classes, len(CLASSES), arms_of.START[:, : len(dev.ranked)], DEPTH
        )
        hybrid = mix(test.ranked, weights[test.classes], DEPTH)
        if dataset.test.people:
            _people(dev, test, weights)
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
    """Arms of a split's source items, as lists, from its training sessions."""

    def __init__(self, dataset: Dataset, split: Split, names: list[str]) -> None:
        self.split, self.names = split, names
        self.row = {name: row for row, name in enumerate(names)}
        asked = [(self.row.get(item, -1), self.row.get(after, -1)) for item, after in split.pairs]
        self.source, self.target = np.array(asked, np.int64).T
        self.pairs, self.support = self._pairs(dataset)
        self.classes = classes_of(np.where(self.source < 0, 0, self.support[self.source]), THIN)
        self.every = self._arms(dataset)
        self.ranked = [self._of_sources(arm) for arm in self.every]

    def _pairs(self, dataset: Dataset) -> tuple[CoOccurrences, Rows]:
        """The tables session_items and co_occurrences, made by the lake's own texts."""
        sessions = session_items(self.split.train)
        found = co_occurrences(sessions, self.split.last_day, dataset.half_life_days)
        known = sessions.group_by("item_id").aggregate([("session_id", "count_distinct")]).to_pylist()
        support = np.zeros(len(self.names), np.int64)
        support[[self.row[one["item_id"]] for one in known]] = [one["session_id_count_distinct"] for one in known]
        rows = {
            name: np.array([self.row[str(one)] for one in found[name].to_pylist()]) for name in ("item_id", "other_id")
        }
        names = ("followed_by", "preceded_by", "together")
        weights = {name: found[name].to_numpy().astype(np.float64) for name in names}
        others = support[rows["other_id"]]
        return CoOccurrences(rows["item_id"], rows["other_id"], **weights, other_support=others), support

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
        self.vectors = np.zeros((len(self.names), PROD2VEC.vector_size), np.float32)
        self.vectors[rows] = learnt.vectors
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

    def people(self) -> tuple[Rows, Rows, list[set[int]]]:
        """Customer [V] and item [V] of each earlier purchase in order, and what is new in each customer's next basket."""
        rows = [[self.row[item] for item in history] for history, _ in self.split.people]
        owner = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
        new = [{self.row[item] for item in items} for _, items in self.split.people]
        return owner, np.concatenate([np.array(some, np.int64) for some in rows]), new

    def of_people(self, weights: Floats | None, decay: float, way: str) -> Floats:
        """RR@25 [U] of a way: the first new item that the next basket has. weights None: the peer's neighbours, by kNN."""
        owner, item, new = self.people()
        n_items, n_people = len(self.names), len(new)
        visits = users.histories(owner, item, n_people, n_items, decay)
        bought = users.histories(owner, item, n_people, n_items, 1.0)
        if way == users.ALS:
            ranked = users.by_factors(*users.fit_factors(visits, users.Factors()), bought, DEPTH)
        elif way == users.MEAN:
            ranked = users.by_vectors(visits, self.vectors, bought, DEPTH)
        else:
            classes = classes_of(self.support, THIN)
            lists = self.every[ARMS.index("together")] if weights is None else mix(self.every, weights[classes], POOL)
            if weights is None:
                lists = _cosine([np.array([self.row[one] for one in some]) for _, some in self.split.train], n_items)
            ranked = users.by_lists(visits, users.list_matrix(lists, n_items), bought, DEPTH)
        hit = np.array([[one in wanted for one in row] for row, wanted in zip(ranked.items.tolist(), new, strict=True)])
        return np.where(hit.any(axis=1), 1.0 / (1 + hit.argmax(axis=1)), 0.0)


DECAYS = (0.9, 0.97, 0.99, 1.0)


def _people(dev: Known, test: Known, weights: Floats) -> None:
    """Customers of Online Retail: what is new in the next basket, by each way; decay chosen on dev for each, the peer too."""
    ways = {"peer": (None, users.LISTS), **{way: (weights, way) for way in users.WAYS}}
    values = {}
    for name, (given, way) in ways.items():
        decay = max(DECAYS, key=lambda one: float(dev.of_people(given, one, way).mean()))
        values[name] = test.of_people(given, decay, way)
        low, high = mean_interval(values[name] - values["peer"])[1:]
        line = {
            "name": f"{RETAIL}, new items of a customer's next basket, {name}",
            "customers": len(values[name]),
            "ours": round(float(values[name].mean()), 4),
            "peer": round(float(values["peer"].mean()), 4),
            "peer_name": "item-kNN with decay",
            "difference": [round(low, 4), round(high, 4)],
            "decay": decay,
            "unit": "RR@25",
        }
        sys.stdout.write(json.dumps(line) + "\n")


def _cosine(sessions: list[Rows], n_items: int) -> Ranked:
    """The peer's item-to-item lists: co-session cosine, whole."""
    every = np.arange(n_items)
    return best_of(together(sessions, n_items), counts(sessions, n_items) ** 0.5, every, POOL)


def _alike(texts: list[list[str]]) -> Ranked:
    words = train_words(texts, SkipGram(window=5, epochs=10))
    vectors = text_vectors(texts, lambda word: words[word], inverse_frequencies(texts), 192)
    scores, near = nearest(vectors, [vectors], POOL)
    return Ranked(near, scores)


if __name__ == "__main__":
    main()

"""ROOM=recommendations: item to item on real sessions beside the usual recipes, on the same bytes in one process.

RR@25: the last item of a session, predicted from the one before it. Weights of the hybrid are fitted on dev, figures are of
test. The pairs come from the lake's own texts (sql/session_items.sql, sql/co_occurrences.sql), run by DuckDB.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cached_property
from typing import Any, NamedTuple

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
from tests.benchmarks._next_item_peers import cosines, peers

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
DEPTH, POOL, THIN = 25, 200, 20
PROD2VEC = SkipGram(window=3, epochs=30)


def main() -> None:
    """Each data set in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="*", help="sets whose name has these words")
    parser.add_argument("--customers", choices=["all", "als"], default="all", help="als: that way to people alone")
    args = parser.parse_args()
    for dataset in datasets(" ".join(args.name)):
        names = sorted(
            {item for split in (dataset.dev, dataset.test) for _, items in split.train for item in items}
            | set(dataset.titles)
        )
        dev, test = (Known(dataset, split, names) for split in (dataset.dev, dataset.test))
        if args.customers == "als":
            _people(dev, test, None)
            continue
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
                    "difference": [round(end, 4) for end in mean_interval((ours - values)[rows])[1:]],
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
        self.split, self.names, self.titles = split, names, dataset.titles
        self.row = {name: row for row, name in enumerate(names)}
        asked = [(self.row.get(item, -1), self.row.get(after, -1)) for item, after in split.pairs]
        self.source, self.target = np.array(asked, np.int64).T
        self.dataset = dataset

    @cached_property
    def tables(self) -> tuple[CoOccurrences, Rows]:
        """Pairs, and the support of each item."""
        return self._pairs(self.dataset)

    @property
    def pairs(self) -> CoOccurrences:
        """Pairs of items."""
        return self.tables[0]

    @property
    def support(self) -> Rows:
        """Sessions [N] of each item."""
        return self.tables[1]

    @property
    def classes(self) -> Rows:
        """Class of each source item."""
        return classes_of(np.where(self.source < 0, 0, self.support[self.source]), THIN)

    @cached_property
    def every(self) -> list[Ranked]:
        """The arms of all items."""
        return self._arms(self.dataset)

    @cached_property
    def ranked(self) -> list[Ranked]:
        """The arms of the source items."""
        return [self._of_sources(arm) for arm in self.every]

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
        sessions = self.rows_of([items for _, items in self.split.train])
        return peers(sessions, len(self.names), self.source, [self.titles.get(name, "") for name in self.names])

    def rows_of(self, sets: list[list[str]]) -> list[Rows]:
        """Item rows of sessions, or of what customers bought."""
        return [np.array([self.row[item] for item in items]) for items in sets]

    def people(self) -> tuple[Rows, Rows, list[set[int]]]:
        """Customer [V] and item [V] of each earlier purchase in order, and what is new in each customer's next basket."""
        rows = [[self.row[item] for item in history] for history, _ in self.split.people]
        owner = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
        new = [{self.row[item] for item in items} for _, items in self.split.people]
        return owner, np.concatenate([np.array(some, np.int64) for some in rows]), new

    def neighbours(self, way: Way, weights: Floats | None) -> users.Matrix:
        """Item-to-item scores [N, N] of a way that interleaves lists: the hybrid's, or a peer's cosines."""
        n_items = len(self.names)
        if way.basis == HYBRID and weights is not None:
            lists = mix(self.every, weights[classes_of(self.support, THIN)], POOL)
            return users.list_matrix(lists, n_items)
        histories = [items for _, items in self.split.train] if way.basis == BASKETS else self.split.histories
        return cosines(self.rows_of(histories), n_items, way.k)

    def of_people(self, way: Way, decay: float, neighbours: users.Matrix | None) -> Floats:
        """RR@25 [U] of a way: the first new item that the next basket has."""
        owner, item, new = self.people()
        n_items, n_people = len(self.names), len(new)
        visits = users.histories(owner, item, n_people, n_items, decay)
        bought = users.histories(owner, item, n_people, n_items, 1.0)
        if way.basis == users.ALS:
            ranked = users.by_factors(*users.fit_factors(visits, users.Factors()), bought, DEPTH)
        elif way.basis == users.MEAN:
            ranked = users.by_vectors(visits, self.vectors, bought, DEPTH)
        else:
            ranked = users.by_lists(visits, neighbours, bought, DEPTH)
        hit = np.array([[one in wanted for one in row] for row, wanted in zip(ranked.items.tolist(), new, strict=True)])
        return np.where(hit.any(axis=1), 1.0 / (1 + hit.argmax(axis=1)), 0.0)


class Way(NamedTuple):
    """A way to make lists for people. basis: hybrid, vectors, als, or what a peer's cosines count; k: its neighbours, 0: all."""

    basis: str
    k: int = 0


HYBRID, BASKETS, CUSTOMERS = "lists", "baskets", "customers"
PEERS = [Way(basis, k) for basis in (BASKETS, CUSTOMERS) for k in (50, 200, 0)]
DECAYS = (0.9, 0.97, 0.99, 0.995, 1.0)


def _people(dev: Known, test: Known, weights: Floats | None) -> None:
    """Customers of Online Retail: what is new in the next basket, by each way; decay is chosen on dev for each way, and of the
    peer also what its cosines count and how many neighbours it takes. weights: of the hybrid; None: als alone."""
    peer = _tuned("item-kNN with decay", PEERS, dev, test, weights)
    for basis in users.WAYS if weights is not None else (users.ALS,):
        ours = _tuned(basis, [Way(basis)], dev, test, weights)
        low, high = mean_interval(ours.values - peer.values)[1:]
        line = {
            "name": f"{RETAIL}, new items of a customer's next basket, {basis}",
            "customers": len(ours.values),
            "ours": round(float(ours.values.mean()), 4),
            "peer": round(float(peer.values.mean()), 4),
            "peer_name": f"item-kNN with decay {peer.decay}, of {peer.way.basis}, k={peer.way.k or 'all'}",
            "difference": [round(low, 4), round(high, 4)],
            "decay": ours.decay,
            "unit": "RR@25",
        }
        sys.stdout.write(json.dumps(line) + "\n")


class Tuned(NamedTuple):
    """A way with the settings that dev chose, and its values [U] on test."""

    way: Way
    decay: float
    values: Floats


def _tuned(name: str, ways: list[Way], dev: Known, test: Known, weights: Floats | None) -> Tuned:
    tried: dict[tuple[Way, float], float] = {}
    for way in ways:
        of_lists = dev.neighbours(way, weights) if way.basis not in (users.ALS, users.MEAN) else None
        tried |= {(way, decay): float(dev.of_people(way, decay, of_lists).mean()) for decay in DECAYS}
    (way, decay), worth = max(tried.items(), key=lambda one: one[1])
    line = {"name": f"{name}, on dev", "best": [*way, decay], "RR@25": round(worth, 4), "tried": len(tried)}
    sys.stdout.write(json.dumps(line) + "\n")
    of_lists = test.neighbours(way, weights) if way.basis not in (users.ALS, users.MEAN) else None
    return Tuned(way, decay, test.of_people(way, decay, of_lists))


def _alike(texts: list[list[str]]) -> Ranked:
    words = train_words(texts, SkipGram(window=5, epochs=10))
    vectors = text_vectors(texts, lambda word: words[word], inverse_frequencies(texts), 192)
    scores, near = nearest(vectors, [vectors], POOL)
    return Ranked(near, scores)


if __name__ == "__main__":
    main()

"""The arms of a bundle beside dense: settings, the sparse index with its tuned k1 and b, and how hybrid votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import faiss
import numpy as np

from jobs.bundle import files
from jobs.index.search_parameters import RecallSettings
from jobs.index.tuning_queries import POOL, end_lists, fusion_facts
from jobs.lake.arrow import Rows, Strings, pick, texts
from jobs.lake.attempt import Attempt
from jobs.platform.arguments import FIRST, NonNegativeInt, OneOf, OnOff
from models.ann.search import ask
from models.fusion.fit import Fitted, fit_votes
from models.fusion.votes import classes_of
from models.sparse.bm25 import K1, B, SparseIndex, build_sparse, count_terms
from models.sparse.fit_bm25 import fit_bm25
from models.text.analyser import LANGUAGES
from models.towers.encode import Vectors

ON, OFF = "on", "off"


class ArmSettings(RecallSettings, kw_only=True):
    """language       language of the sparse arm's stemmer; auto: detected from the texts
    sparse         off: no sparse arm and no hybrid, for a catalogue whose terms do not fit into memory
    sparse_items   items on which k1 and b of BM25 are chosen by judged dev queries, judged items among them;
                   0: the usual k1 and b
    class_queries  judged dev queries from which a class (model numbers, lengths) may get its own weight in
                   hybrid; 0: one weight for all
    """

    language: Annotated[str, OneOf("auto", *LANGUAGES), FIRST] = "auto"
    sparse: Annotated[OnOff, FIRST] = "on"
    sparse_items: NonNegativeInt = 50_000
    class_queries: NonNegativeInt = 100


@dataclass(frozen=True)
class Asked:
    """Dev queries, and how they are judged over n items: keys are query row * n + item row.

    relevant, judged: hold at most one array; judged has items of any grade.
    """

    queries: list[str]
    vectors: Vectors
    relevant: list[Rows]
    judged: list[Rows]


def write_sparse(
    args: ArmSettings, words: Strings, language: str, asked: Asked, seed: int, out: Attempt
) -> list[SparseIndex]:
    """Tune, build and write the sparse arm; none where it is off."""
    out.facts["sparse"] = args.sparse
    if args.sparse == OFF:
        return []
    tuned = _tuned(args, words, language, asked, seed)
    out.facts["bm25"] = tuned
    sparse = build_sparse(texts(words), language, tuned["k1"], tuned["b"])
    files.write_sparse(sparse, out.folder)
    return [sparse]


def _tuned(args: ArmSettings, words: Strings, language: str, asked: Asked, seed: int) -> dict[str, Any]:
    """k1 and b, chosen on a part of the catalogue that has the judged items."""
    if not args.sparse_items or not asked.relevant or not len(asked.relevant[0]):
        return {"k1": K1, "b": B, "items": 0, "queries": 0, "tried": []}
    rows = sampled(len(words), args.sparse_items, asked.judged[0] % len(words), seed)
    keys = asked.relevant[0]
    relevant = keys // len(words) * len(rows) + np.searchsorted(rows, keys % len(words))
    return fit_bm25(count_terms(texts(pick(words, rows)), language), asked.queries, relevant)


def sampled(n_items: int, wanted: int, judged: Rows, seed: int) -> Rows:
    """Rows of `wanted` items, rising: the judged ones, however many, and others by lot."""
    mine = np.unique(judged)
    others = max(0, min(wanted, n_items) - len(mine))
    drawn = np.random.default_rng(seed).choice(n_items, min(n_items, others + len(mine)), False)
    rest = np.setdiff1d(drawn, mine, assume_unique=True)
    return np.sort(np.concatenate([mine, rest[:others]]))


def fit_arms(
    args: ArmSettings,
    cutoff: str,
    index: faiss.Index,
    sparse: Sequence[SparseIndex],
    asked: Asked,
    settings: dict[str, float],
    n_items: int,
) -> tuple[dict[str, Any], Rows]:
    """Facts of hybrid and of the cut-off, fitted on judgements where there are; and the dense lists they are of."""
    dense = ask(index, asked.vectors, POOL, settings)
    keys = asked.relevant[0] if asked.relevant else None
    facts = end_lists(dense, cutoff, n_items, keys)
    fitted = Fitted()
    for one in sparse:
        if keys is not None:
            classes = classes_of(asked.queries) if args.class_queries else None
            found = one.search(asked.queries, POOL)
            fitted = fit_votes(dense, found, keys, n_items, classes, args.class_queries)
    facts.update(fusion_facts(fitted))
    return facts, dense.items

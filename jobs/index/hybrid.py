"""The sparse arm with its tuned k1 and b, and the fit of what is served: fusion, near-duplicates and cut-off."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import faiss
import numpy as np
from numpy.typing import NDArray

from jobs.bundle import files
from jobs.bundle.near_duplicates import AUTO, fit_threshold, threshold_of, without_near_duplicates
from jobs.bundle.reader import POOL
from jobs.index.clusters import category_codes
from jobs.index.search_parameters import RecallSettings
from jobs.lake.arrow import Rows, Strings, pick, texts
from jobs.lake.attempt import Attempt
from jobs.lake.read import Pinned
from jobs.platform.arguments import FIRST, Fraction, NonNegativeInt, OneOf, OnOff
from models.ann.cutoff import JudgedLists, compare_cutoffs
from models.ann.fit_spread import fit_spread
from models.ann.search import ask
from models.ann.spread import spread
from models.fusion.dense_trigger import DenseTriggers, fit_triggers, skipping
from models.fusion.fit_fusion import FusionFit, fit_fusion
from models.fusion.fuse import classes_of, fuse_by_class
from models.fusion.ranked_lists import Ranked, trec_order
from models.sparse.bm25 import K1, B, SparseIndex, build_sparse, count_terms
from models.sparse.fit_bm25 import fit_bm25
from models.text.analyser import LANGUAGES
from models.towers.encode import Vectors
from models.training.batches import Known

ON, OFF = "on", "off"


class ArmSettings(RecallSettings, kw_only=True):
    """language       language of the sparse arm's stemmer; auto: detected from the texts
    sparse         off: no sparse arm and no hybrid, for a catalogue whose terms do not fit into memory
    sparse_items   items on which k1 and b of BM25 are chosen by judged dev queries, judged items among them;
                   0: the usual k1 and b
    class_queries  judged dev queries from which a class (model numbers, lengths) may get its own weight in
                   hybrid; 0: one weight for all
    min_dense_gain  R@60 that dense must add in a class of so many judged dev queries: a class in which it surely
                   adds less is searched by the sparse arm alone; 0: dense is always searched
    clusters       clusters of items, from which a list takes a limited number each, as many clusters as
                   cost 1% of R@60 at most; 0: lists are not spread over clusters
    """

    language: Annotated[str, OneOf("auto", *LANGUAGES), FIRST] = "auto"
    sparse: Annotated[OnOff, FIRST] = "on"
    sparse_items: NonNegativeInt = 50_000
    class_queries: NonNegativeInt = 100
    min_dense_gain: Fraction = 0.005
    clusters: NonNegativeInt = 0


@dataclass(frozen=True)
class DevQueries:
    """Dev queries, and their judgements over n items: keys are query row * n + item row.

    relevant: keys of relevant items, judged: of items of any grade; None without judgements. labelled: people
    judged them, not clicks.
    """

    queries: list[str]
    vectors: Vectors
    relevant: Rows | None
    judged: Rows | None
    labelled: bool = False


def write_sparse(
    args: ArmSettings, words: Strings, language: str, dev: DevQueries, seed: int, out: Attempt
) -> SparseIndex | None:
    """Tune, build and write the sparse arm; None where it is off."""
    out.facts["sparse"] = args.sparse
    if args.sparse == OFF:
        return None
    tuned = _tuned(args, words, language, dev, seed)
    out.facts["bm25"] = tuned
    sparse = build_sparse(texts(words), language, tuned["k1"], tuned["b"])
    files.write_sparse(sparse, out.folder)
    return sparse


def _tuned(args: ArmSettings, words: Strings, language: str, dev: DevQueries, seed: int) -> dict[str, Any]:
    """k1 and b, chosen on a part of the catalogue that has the judged items."""
    if not args.sparse_items or dev.relevant is None or dev.judged is None or not len(dev.relevant):
        return {"k1": K1, "b": B, "items": 0, "queries": 0, "tried": []}
    rows = sampled(len(words), args.sparse_items, dev.judged % len(words), seed)
    relevant = dev.relevant // len(words) * len(rows) + np.searchsorted(rows, dev.relevant % len(words))
    return fit_bm25(count_terms(texts(pick(words, rows)), language), dev.queries, relevant)


def sampled(n_items: int, wanted: int, judged: Rows, seed: int) -> Rows:
    """Rows of `wanted` items, rising: all judged ones, and a random draw of the others."""
    mine = np.unique(judged)
    others = max(0, min(wanted, n_items) - len(mine))
    drawn = np.random.default_rng(seed).choice(n_items, min(n_items, others + len(mine)), False)
    rest = np.setdiff1d(drawn, mine, assume_unique=True)
    return np.sort(np.concatenate([mine, rest[:others]]))


def fit_served(
    args: ArmSettings,
    cutoff: str,
    lookalikes: str,
    index: faiss.Index,
    sparse: SparseIndex | None,
    dev: DevQueries,
    search: dict[str, float],
    ids: Strings,
    items: Pinned,
    clusters: NDArray[np.int32] | None = None,
    numbers: int = 0,
) -> dict[str, Any]:
    """Facts of what Bundle.search returns, fitted on judgements where there are any.

    In the order in which a search applies them: query selection, the fusion, near-duplicates in the fused lists,
    clusters, and the end of the lists without them. search: tuned settings of the index. items: the catalogue.
    numbers: components of the index that are numbers of the items.
    """
    ranked, facts = _fused(args, trec_order(*ask(index, dev.vectors, POOL, search)), sparse, dev, len(ids))
    threshold = threshold_of(lookalikes)
    facts["lookalikes"] = {"threshold": threshold, "rule": lookalikes}
    if lookalikes == AUTO and dev.relevant is not None:
        fitted = fit_threshold(index, ranked.items, ids, items, dev.relevant, numbers)
        threshold, facts["lookalikes"] = fitted.threshold, asdict(fitted)
    distinct = without_near_duplicates(index, ranked, threshold, numbers)
    if clusters is not None:
        known = known_of(dev.relevant, len(ids), len(dev.queries))
        fitted_spread = fit_spread(distinct, clusters, category_codes(items, ids), known)
        distinct = spread(distinct, clusters, fitted_spread.nearest)
        facts["clusters"] = asdict(fitted_spread)
    return facts | _cutoff_facts(distinct, cutoff, len(ids), dev.relevant)


def _fused(
    args: ArmSettings, dense: Ranked, sparse: SparseIndex | None, dev: DevQueries, n_items: int
) -> tuple[Ranked, dict[str, Any]]:
    """The fused lists of the dev queries, and the facts of the fusion and of query selection."""
    fit, triggers, ranked = FusionFit(), DenseTriggers(), dense
    if sparse is not None:
        lexical, classes = sparse.search(dev.queries, POOL), classes_of(dev.queries)
        if dev.relevant is not None:
            tried = classes if args.class_queries else None
            fit = fit_fusion(dense, lexical, dev.relevant, n_items, tried, args.class_queries)
            least = args.class_queries, args.min_dense_gain if args.class_queries else 0.0
            weights = fit.weights, fit.by_class
            triggers = fit_triggers((dense, lexical), *weights, classes, dev.relevant, n_items, *least)
        searched = skipping(dense, classes, triggers.sparse_only)
        ranked = fuse_by_class(searched, lexical, POOL, fit.weights, fit.by_class, classes)
    return ranked, {
        "fusion": fit.weights._asdict(),
        "fusions": fit.methods,
        "fusion_by_class": {name: weights._asdict() for name, weights in fit.by_class.items()},
        "fusion_classes": fit.classes,  # those that were tried
        "dense_triggers": asdict(triggers),
    }


def known_of(relevant: Rows | None, n_items: int, queries: int) -> Known:
    """Relevant items of each dev query, from their keys."""
    keys = np.zeros(0, np.int64) if relevant is None else relevant
    return Known(keys // n_items, keys % n_items, queries)


def _cutoff_facts(ranked: Ranked, cutoff: str, n_items: int, relevant: Rows | None) -> dict[str, Any]:
    """The facts `cutoff`, which ships, and `cutoffs`, a row for each rule that was compared; without judgements the knee.

    ranked: lists as they are served, but for their end. cutoff: one of models.ann.cutoff's CHOICES.
    """
    judged = None
    if relevant is not None:
        keys = np.arange(len(ranked.items))[:, None] * n_items + ranked.items
        hits = np.isin(keys, relevant) & (ranked.items >= 0)
        counts = np.bincount(relevant // n_items, minlength=len(ranked.items))
        judged = JudgedLists(ranked.scores, hits, counts)
    chosen, rows = compare_cutoffs(ranked.scores, judged, cutoff, depth=POOL)
    return {"cutoff": asdict(chosen), "cutoffs": rows}

"""Choose and train an index: families are measured on a sample of the catalogue, the best is trained for all of it.

A trained index is kept from day to day while its figures hold, because codes of unchanged items then stay what they are.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from annotated_types import Ge, Interval

from jobs.bundle.files import write_index, write_json
from jobs.embeddings.read_shards import batches
from jobs.index.tuning_queries import JudgedItems
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Strings, find, large
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.read import Pinned
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeFloat, NonNegativeInt, PositiveInt
from jobs.platform.distributed import device
from jobs.platform.progress import progress
from models.ann.drift import AgeLimits, IndexFigures, aged, figures, held_out
from models.ann.exact import Rows, Vectors, equal_numbers, nearest, pieces, vector_hashes
from models.ann.families import check_factory, families, scaled
from models.ann.operating_points import Exam
from models.ann.train import sample_size, train
from models.ann.tuning import Budget, ChosenIndex, pareto, tune
from models.training.batches import Known

log = logging.getLogger(__name__)
GB = 1e9
TRAINED, CANARIES, FRONT = FILES = ("trained.faiss", "canaries.npy", "front.json")
# facts that a kept index repeats from the day on which it was trained
KEPT_FIGURES = (
    *("factory", "quantiser_id", "recall_target", "recall_depth", "canary_settings"),
    *("then", "chosen", "reason", "trained_on"),
)


class IndexSettings(CommandArgs, kw_only=True):
    """factory          FAISS factory string; auto tries families by the size of the catalogue
    recall_target    overlap with exact search that an index must reach
    recall_depth     first neighbours in which the overlap is measured
    p99_ms           upper limit of the 99th percentile of a query's time on one thread, in ms; 0: none
    memory_gb        upper limit of the whole index in memory, in GB; 0: none
    tune_items       items drawn for tuning and for the figures: bounds time and memory
    tuning_queries   queries used for tuning
    min_relevance    relevance from which a judged item counts; 0: as the judgements' own scale says
    max_growth       factor by which the catalogue may grow or shrink before an index is trained anew
    max_imbalance    factor by which the imbalance of the inverted lists may grow
    max_error        factor by which the quantisation error may grow
    max_recall_drop  loss of recall on the pinned queries
    seed             of samples and k-means
    """

    factory: Annotated[str, FIRST] = "auto"
    recall_target: Annotated[float, Interval(gt=0, le=1), FIRST] = 0.95
    recall_depth: PositiveInt = 100
    p99_ms: Annotated[NonNegativeFloat, FIRST] = 0.0
    memory_gb: Annotated[NonNegativeFloat, FIRST] = 0.0
    tune_items: Annotated[int, Ge(1000), FIRST] = 100_000
    tuning_queries: PositiveInt = 1000
    min_relevance: float = 0.0
    max_growth: Annotated[float, Ge(1)] = 2.0
    max_imbalance: Annotated[float, Ge(1)] = 1.5
    max_error: Annotated[float, Ge(1)] = 1.15
    max_recall_drop: NonNegativeFloat = 0.01
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_factory(self.factory)

    def budget(self, items: int) -> Budget:
        """The limits of a choice for this number of items."""
        return Budget(self.recall_target, self.p99_ms, GB * self.memory_gb / items)

    @property
    def limits(self) -> AgeLimits:
        """The limits within which the figures of a trained index may move."""
        return AgeLimits(self.max_growth, self.max_imbalance, self.max_error, self.max_recall_drop)


@dataclass(frozen=True)
class TrainedIndex:
    """A published trained index. trained: a FAISS index without items. canaries [Q, D]: query vectors of the day on
    which it was trained, for later checks."""

    pinned: Pinned
    trained: faiss.Index
    canaries: Vectors

    @classmethod
    def open(cls, pinned: Pinned) -> TrainedIndex:
        """Check the files and read them."""
        trained = faiss.read_index(str(pinned.path(TRAINED)))
        return cls(pinned, trained, np.load(pinned.path(CANARIES)))

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of its manifest."""
        return self.pinned.facts

    @property
    def factory(self) -> str:
        """FAISS factory string of the index to build."""
        return str(self.facts["factory"])

    @property
    def id(self) -> str:
        """16 hex digits; codes of one id may be merged."""
        return str(self.facts["quantiser_id"])


@dataclass(frozen=True)
class TuningSample:
    """items: number in the whole catalogue. vectors [S, D]: of a sample. queries [Q, D]: real queries.

    depth: neighbours in which recall is measured. relevant: judged items as rows of the sample, by query row.
    """

    shards: list[Pinned]
    items: int
    vectors: Vectors
    queries: Vectors
    depth: int
    relevant: Known | None

    @classmethod
    def draw(
        cls, settings: IndexSettings, shards: list[Pinned], queries: Vectors, judged: JudgedItems | None = None
    ) -> TuningSample:
        """Draw a sample of the catalogue; judged items are in it, drawn or not."""
        also: Any = pc.unique(judged.item_ids) if judged else None
        ids, vectors = sample_vectors(shards, settings.tune_items, settings.seed, also)
        relevant = None
        if judged is not None:
            item_rows = find(judged.item_ids, ids)
            present = item_rows >= 0  # an item that left the catalogue cannot be retrieved
            if present.any():
                relevant = Known(judged.query_rows[present], item_rows[present], len(queries))
        depth = min(settings.recall_depth, len(vectors))
        return cls(shards, sum(shard.manifest.rows for shard in shards), vectors, queries, depth, relevant)

    def exam(self, canaries: Vectors | None = None) -> Exam:
        """Today's queries with their exact neighbours in the sample and their judgements; or an earlier day's canaries."""
        queries = self.queries if canaries is None else canaries
        exact = nearest(queries, pieces(self.vectors), self.depth, device())[1]
        return Exam(queries, exact, self.relevant if canaries is None else None, self.equal)

    @cached_property
    def equal(self) -> Rows:
        """A number for each vector of the sample, one for equal ones."""
        return equal_numbers(map(vector_hashes, pieces(self.vectors)))


def sample_vectors(
    shards: list[Pinned], wanted: int, seed: int, also: Strings | None = None
) -> tuple[Strings, Vectors]:
    """Ids and vectors [S, D] of items drawn by seed, in the order of the files; all where `wanted` is more.

    also: ids that are taken besides, drawn or not. One batch is in memory at a time, and the sample.
    """
    count = sum(shard.manifest.rows for shard in shards)
    drawn = np.zeros(count, np.bool_)
    drawn[np.random.default_rng(seed).choice(count, min(wanted, count), replace=False)] = True
    ids: list[Strings] = []
    parts: list[Vectors] = []
    start = 0
    for names, vectors in batches(shards):
        taken = drawn[start : start + len(names)]
        if also is not None:
            taken = taken | pc.is_in(names, also).to_numpy(zero_copy_only=False)
        start += len(names)
        ids.append(names.filter(pa.array(taken)))
        parts.append(vectors[taken])
    return large(ids), np.concatenate(parts)


def keep_or_train(
    settings: IndexSettings, sample: TuningSample, previous: Pinned | None, out: Attempt, numbers: Sequence[str] = ()
) -> None:
    """Keep the earlier trained index while its figures hold, else tune and train one; writes files and facts.

    numbers: names of the further columns of hydrated vectors.
    """
    reasons = ["no earlier one in this space"]
    if previous is not None:
        before = TrainedIndex.open(previous)
        reasons, now = reasons_to_train(settings, sample, before, numbers)
        if now is not None and not reasons:
            for name in FILES:
                shutil.copyfile(previous.path(name), out.folder / name)  # checked against the manifest
            kept = {name: before.facts[name] for name in KEPT_FIGURES}
            out.facts.update(kept, decision="kept", reasons=[], now=asdict(now))
            log.info("%s: kept that of %s: %s", out.partition, kept["trained_on"], json.dumps(asdict(now)))
            return
    log.info("%s: training anew: %s", out.partition, "; ".join(reasons))
    tune_and_train(settings, sample, out)
    out.facts.update(decision="trained", reasons=reasons, trained_on=out.partition.ds)


def reasons_to_train(
    settings: IndexSettings, sample: TuningSample, before: TrainedIndex, numbers: Sequence[str] = ()
) -> tuple[list[str], IndexFigures | None]:
    """Reasons against keeping an earlier index, and its figures over today's sample where they were taken."""
    if (was := before.facts.get("hydrated", [])) != list(numbers):
        return [f"vectors with {', '.join(numbers) or 'no numbers'}, were with {', '.join(was) or 'none'}"], None
    if settings.factory not in ("auto", before.factory):
        return [f"factory {settings.factory}, was {before.factory}"], None
    if settings.recall_target > before.facts["recall_target"]:
        return [f"recall_target {settings.recall_target}, was {before.facts['recall_target']}"], None
    exam, watched = sample.exam(before.canaries), dict(before.facts["canary_settings"])
    now, _ = figures(before.trained, before.factory, sample.vectors, exam, watched, sample.items)
    return aged(now, IndexFigures(**before.facts["then"]), settings.limits), now


def tune_and_train(settings: IndexSettings, sample: TuningSample, out: Attempt) -> None:
    """Tune over the sample, train for the whole catalogue, write the files and the facts."""
    exam, count = sample.exam(), len(sample.vectors)
    chosen = _chosen(settings, sample, exam)
    fault_point("trained_index.tuned")
    factory = settings.factory
    if factory == "auto":
        factory = scaled(chosen.point.factory, sample.items, chosen.lists_times)
    log.info("%s: %s, %s", out.partition, factory, chosen.reason)
    trained = _trained(settings, factory, sample)
    target = min(settings.recall_target, chosen.point.recall)
    then, canary_settings = figures(trained, factory, sample.vectors, exam, target, sample.items)
    write_index(trained, out.folder / TRAINED)
    save_array(out.folder / CANARIES, sample.queries)
    front = {
        "points": [asdict(point) for point in chosen.points],
        "front": [asdict(point) for point in pareto(chosen.points)],
        "chosen": asdict(chosen.point),
        "reason": chosen.reason,
        "exact": exam.judged(exam.exact),  # R@60 and RR@60 of exact search in the sample
    }
    write_json(front, out.folder / FRONT)
    with (out.folder / TRAINED).open("rb") as file:
        quantiser_id = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    out.facts.update(
        factory=factory,
        quantiser_id=quantiser_id,
        chosen=asdict(chosen.point),
        reason=chosen.reason,
        recall_target=settings.recall_target,
        recall_depth=sample.depth,
        canary_settings=canary_settings,
        then=asdict(then),
        now=asdict(then),
        items=sample.items,
        tuned_on=count,
    )


def _chosen(settings: IndexSettings, sample: TuningSample, exam: Exam) -> ChosenIndex:
    count = len(sample.vectors)
    tries = len(families(count, sample.vectors.shape[1])) + 2 if settings.factory == "auto" else 1
    # nprobe stays as it is on the sample; lists of the whole catalogue are sqrt(N / S) times longer
    slowdown = float(np.sqrt(max(1.0, sample.items / count)))
    with progress("tuning", tries, "indexes") as advance:

        def report(line: str) -> None:
            log.info("%s", line)
            advance(1)

        budget = settings.budget(sample.items)
        return tune(sample.vectors, exam, budget, settings.seed, settings.factory, slowdown, report)


def _trained(settings: IndexSettings, factory: str, sample: TuningSample) -> faiss.Index:
    """Train for the whole catalogue, on more vectors than the sample where there are many lists."""
    wanted = sample_size(factory, sample.vectors.shape[1])
    # a code book fits its own training vectors best: figures are taken on vectors that training never saw
    vectors = sample.vectors[~held_out(len(sample.vectors))]
    if len(vectors) < wanted and len(sample.vectors) < sample.items:
        vectors = sample_vectors(sample.shards, wanted, settings.seed + 1)[1]
    elif len(vectors) > wanted:
        rows = np.random.default_rng(settings.seed).choice(len(vectors), wanted, replace=False)
        vectors = vectors[np.sort(rows)]
    return train(vectors, factory, settings.seed, gpu=device().type == "cuda")

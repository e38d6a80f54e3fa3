"""A trained_index in files: the trained and empty index, the canaries it is watched with, and what was tried."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from jobs.bundle.files import write_index, write_json
from jobs.index.sample import sampled
from jobs.index.settings import IndexSettings
from jobs.index.tuning_sample import Lesson
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.read import Pinned
from jobs.platform.distributed import device
from jobs.platform.progress import progress
from models.ann.drift import Figures, figures, held_out
from models.ann.families import families, scaled
from models.ann.train import sample_size, train
from models.ann.tuning import Chosen, as_rows, tune

log = logging.getLogger(__name__)
TRAINED, CANARIES, FRONT = "trained.faiss", "canaries.npy", "front.json"
FILES = (TRAINED, CANARIES, FRONT)
# what a trained index that is kept for another day says again
KEPT_FIGURES = (
    "factory",
    "quantiser_id",
    "recall_target",
    "recall_depth",
    "canary_settings",
    "then",
    "chosen",
    "reason",
    "trained_on",
)


@dataclass(frozen=True)
class TrainedIndex:
    """A published trained_index."""

    pinned: Pinned
    trained: faiss.Index
    canaries: NDArray[np.float32]

    @classmethod
    def open(cls, pinned: Pinned) -> TrainedIndex:
        """Check the files and read them."""
        trained = faiss.read_index(str(pinned.path(TRAINED)))
        return cls(pinned, trained, np.load(pinned.path(CANARIES)))

    @property
    def facts(self) -> dict[str, Any]:
        """What its manifest says."""
        return self.pinned.facts

    @property
    def factory(self) -> str:
        """FAISS factory string of the index to build."""
        return str(self.facts["factory"])

    @property
    def id(self) -> str:
        """16 hex digits of the trained index: codes of one id may be put together."""
        return str(self.facts["quantiser_id"])

    @property
    def canary_settings(self) -> dict[str, float]:
        """Search parameters that the canaries are watched with."""
        return dict(self.facts["canary_settings"])

    @property
    def then(self) -> Figures:
        """Its figures on the day it was trained."""
        return Figures(**self.facts["then"])

    def copy(self, folder: Path) -> None:
        """Copy its files, each checked on the way."""
        for name in FILES:
            shutil.copyfile(self.pinned.path(name), folder / name)


def learn(args: IndexSettings, lesson: Lesson, out: Attempt) -> None:
    """Tune over the sample, train for the whole catalogue, write the files and the facts."""
    items, count = lesson.items, len(lesson.vectors)
    exam = lesson.exam
    tries = len(families(count, lesson.vectors.shape[1])) + 2 if args.factory == "auto" else 1
    with progress("tuning", tries, "indexes") as advance:
        # visited lists grow with sqrt(N / S): as many of them, each so much longer
        slowdown = float(np.sqrt(max(1.0, items / count)))
        chosen = tune(lesson.vectors, exam, args.budget(items), args.seed, args.factory, slowdown, _told(advance))
    fault_point("trained_index.tuned")
    factory = args.factory
    if factory == "auto":
        factory = scaled(chosen.point.factory, items, chosen.lists_times)
    log.info("%s: %s, %s", out.partition, factory, chosen.reason)
    trained = _trained(args, factory, lesson)
    target = min(args.recall_target, chosen.point.recall)
    then, settings = figures(trained, factory, lesson.vectors, exam, target, items)
    write_index(trained, out.folder / TRAINED)
    np.save(out.folder / CANARIES, lesson.asked, allow_pickle=False)
    write_json(_front(chosen, exam.judged(exam.exact)), out.folder / FRONT)
    with (out.folder / TRAINED).open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    out.facts.update(
        factory=factory,
        quantiser_id=name,
        chosen=asdict(chosen.point),
        reason=chosen.reason,
        recall_target=args.recall_target,
        recall_depth=lesson.depth,
        canary_settings=settings,
        then=asdict(then),
        now=asdict(then),
        items=items,
        tuned_on=count,
    )


def _trained(args: IndexSettings, factory: str, lesson: Lesson) -> faiss.Index:
    """Train for the whole catalogue, on more vectors than the sample where lists are many."""
    wanted = sample_size(factory, lesson.vectors.shape[1])
    # codes fit what they were fitted to: the figures of a day to come are of vectors they never saw
    vectors = lesson.vectors[~held_out(len(lesson.vectors))]
    if len(vectors) < wanted and len(lesson.vectors) < lesson.items:
        vectors = sampled(lesson.shards, wanted, args.seed + 1)[1]
    elif len(vectors) > wanted:
        rows = np.random.default_rng(args.seed).choice(len(vectors), wanted, replace=False)
        vectors = vectors[np.sort(rows)]
    return train(vectors, factory, args.seed, gpu=device().type == "cuda")


def _front(chosen: Chosen, exact: dict[str, float]) -> dict[str, object]:
    """All points, those of the front, the choice; exact: R@60 and RR@60 of exact search in the sample."""
    return {
        "points": as_rows(chosen.points),
        "front": as_rows(chosen.front),
        "chosen": asdict(chosen.point),
        "reason": chosen.reason,
        "exact": exact,
    }


def _told(advance: Callable[[int], None]) -> Callable[[str], None]:
    def tell(line: str) -> None:
        log.info("%s", line)
        advance(1)

    return tell

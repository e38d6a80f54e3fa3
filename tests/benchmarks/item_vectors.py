"""ROOM=item_vectors: vectors of items, tuned by `sweep` on dev sessions, by the commands themselves in a lake of their own.

python -m tests.benchmarks.item_vectors --part sweep
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.experiments import sweep
from jobs.lake.partitions import HOLDOUT_SESSIONS, ITEM2VEC, ITEMS, SESSION_ITEMS, SWEEP, Partition
from jobs.lake.read import pin
from jobs.recommendations import item2vec
from models.evaluation.intervals import mean_interval, ratio_span, resampled
from tests.benchmarks._next_item import PAPER, datasets
from tests.benchmarks._next_item_lake import DS, Product, publish_shop, session_items

Floats = NDArray[np.float64]
SPACE = "vector_size=24..128~;window=2..12;item2vec.epochs=10..60~;ns_exponent=-1..1;sample=1e-5..1e-2~"
# gensim's defaults at the paper's dimension, and the paper's own setting
DEFAULT: dict[str, Any] = {"vector_size": 50, "window": 5, "epochs": 5, "ns_exponent": 0.75, "sample": 1e-3}
PAPERS: dict[str, Any] = {"vector_size": 50, "window": 3, "epochs": 140, "ns_exponent": 1.0, "sample": 1e-3}


def main() -> None:
    """The parts asked for, each in a lake of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["sweep"], default="sweep")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--folder", default="", help="of the lake; a sweep goes on there; empty: one that is deleted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = args.folder or spare
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.environ |= {"NIGHTSHELF_LAKE": f"{folder}/lake", "NIGHTSHELF_HOME": f"{folder}/var"}
        tuned(args.trials)


def tuned(trials: int) -> None:
    """The paper's sessions: the setting that dev chose, beside gensim's defaults and the paper's, on test."""
    paper = next(datasets(PAPER))
    held = {"dev": paper.dev.pairs, "test": paper.test.pairs}
    items = {item for _, some in paper.test.train for item in some} | {item for some in held.values() for _, item in some}
    publish_shop(dict.fromkeys(items, Product()), session_items(paper.test.train, 1_000), held)
    tables = {"items": ITEMS.at(ds=DS), "session_items": SESSION_ITEMS.at(ds=DS)}
    tables["holdout_sessions"] = HOLDOUT_SESSIONS.at(ds=DS)
    study = {"sweep": SWEEP.at(ds=DS, study="vectors"), "stages": "prod2vec", "objective": "RR@25", "space": SPACE}
    found = sweep.main(sweep.Args(**tables, **study, sampler="tpe", trials=trials))  # type: ignore[arg-type]
    best = pin(SWEEP.at(ds=DS, study="vectors")).facts["best"]["flags"]["prod2vec"]
    settings = {"gensim's defaults": DEFAULT, "the paper's setting": PAPERS, "tuned": best}
    values = {name: _trained(tables, some) for name, some in settings.items()}
    for name, some in values.items():
        ratio = _ratio(some["test"], values["gensim's defaults"]["test"])
        say(
            name=f"{PAPER}, prod2vec, {name}",
            settings=settings[name],
            dev=round(float(some["dev"].mean()), 4),
            test=[round(float(end), 4) for end in mean_interval(some["test"])],
            ratio=[round(end, 3) for end in ratio],
            trials=found["trials"],
            unit="RR@25",
        )


def _trained(tables: dict[str, Partition], settings: dict[str, Any]) -> dict[str, Floats]:
    """RR@25 of each session by split."""
    made = ITEM2VEC.at(ds=DS, method="prod2vec")
    item2vec.main(item2vec.Args(**tables, item2vec=made, **settings))
    rows = pq.read_table(pin(made).path("measures.parquet"))
    split, values = np.array(rows.column("split").to_pylist()), rows.column("RR@25").to_numpy()
    return {name: values[split == name] for name in ("dev", "test")}


def _ratio(ours: Floats, peer: Floats) -> tuple[float, float, float]:
    """Ratio of two means over the same sessions, with its interval."""
    drawn = resampled(np.stack([ours, peer], axis=1))
    value, low, high = ratio_span(float(ours.mean()), float(peer.mean()), drawn[:, 0], drawn[:, 1])
    return value, low, high


def say(**figures: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

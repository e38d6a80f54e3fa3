"""Trained vectors judged by held-out sessions, beside plain loops; and a sweep that chooses settings by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.experiments import sweep
from jobs.lake.arrow import texts
from jobs.lake.partitions import HOLDOUT_SESSIONS, ITEM2VEC, ITEMS, SESSION_ITEMS, SWEEP, Partition
from jobs.lake.read import pin
from jobs.recommendations import item2vec
from jobs.recommendations.item_encoder import VECTORS, WORDS
from tests.jobs.recommendations import shop
from tests.jobs.recommendations.shop import DS, NEW, name

SMALL: dict[str, Any] = {"vector_size": 16, "epochs": 20, "sample": 0.5}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Partition]]:
    """A lake with sessions to learn from and sessions that judge."""
    root = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shop.publish_items()
        shop.publish_sessions()
        shop.publish_holdout()
        yield {
            "items": ITEMS.at(ds=DS),
            "session_items": SESSION_ITEMS.at(ds=DS),
            "holdout_sessions": HOLDOUT_SESSIONS.at(ds=DS),
        }


def trained(tables: dict[str, Partition], method: str = "prod2vec") -> Any:
    made = ITEM2VEC.at(ds=DS, method=method)
    item2vec.main(item2vec.Args(**tables, item2vec=made, **SMALL))
    return pin(made)


def test_figures_are_those_of_plain_loops(tables: dict[str, Partition]) -> None:
    made = trained(tables)
    words = texts(pq.read_table(made.path(WORDS)).column("word"))
    vectors = dict(zip(words, np.load(made.path(VECTORS)), strict=True))
    # an item without a session lies where its deepest category, brand and top category lie on average
    for row in NEW:
        thing = shop.THINGS[row // shop.PER_SERIES]
        about = [f"brand=brand{row // shop.PER_SERIES}", f"category=home > {thing}", "category=home"]
        mean = np.mean([vectors[word] for word in about], axis=0)
        vectors[name(row)] = mean / np.linalg.norm(mean)
    ranks = []
    for session in shop.sessions(seed=1, count=240):
        given, target = (name(item) for item in session[-2:])
        better = [
            other
            for other in map(name, range(len(shop.titles())))
            if other != given and vectors[other] @ vectors[given] > vectors[target] @ vectors[given]
        ]
        ranks.append(1 + len(better))
    gains = np.array([1 / rank if rank <= 25 else 0 for rank in ranks])
    told = made.facts["splits"]
    assert told["dev"]["all"]["RR@25"][0] == pytest.approx(gains[1::2].mean(), abs=1e-6)
    assert told["test"]["all"]["RR@25"][0] == pytest.approx(gains[::2].mean(), abs=1e-6)
    assert told["test"]["all"]["Success@10"][0] == pytest.approx(np.mean(np.array(ranks)[::2] <= 10), abs=1e-6)
    voices: dict[int, set[str]] = {}
    for number, session in enumerate(shop.sessions()):
        for row in session:
            voices.setdefault(row, set()).add(f"c{number % 100}" if number % 10 else f"s{number}")
    well_known = sum(len(voices[session[-2]]) >= 20 for session in shop.sessions(seed=1, count=240)[1::2])
    assert told["dev"]["known"]["queries"] == well_known and 0 < well_known < 120
    rows = pq.read_table(made.path("measures.parquet")).sort_by("query_id").to_pylist()
    assert [row["RR@25"] for row in rows] == pytest.approx(gains.tolist())


def test_a_sweep_chooses_on_dev_and_tells_test(tables: dict[str, Partition]) -> None:
    at = SWEEP.at(ds=DS, study="vectors")
    study: dict[str, Any] = {
        "sweep": at,
        "stages": "prod2vec",
        "objective": "RR@25",
        "fixed": "vector_size=16;item2vec.epochs=20",
    }
    said = sweep.main(sweep.Args(**tables, **study, space="sample=0.0001,0.5"))
    assert (said["trials"], said["failed"], said["best"]) == (2, 0, "sample=0.5")
    made = pin(at)
    rows = pq.read_table(made.path("measures.parquet")).to_pylist()
    told = {(row["point"], row["split"], row["slice"], row["measure"]): row["value"] for row in rows}
    alone = trained(tables).facts["splits"]
    # the trial is the command itself
    for split in ("dev", "test"):
        assert told["sample=0.5", split, "all", "RR@25"] == pytest.approx(alone[split]["all"]["RR@25"][0])
    assert made.facts["best"]["flags"]["prod2vec"] == {"vector_size": 16, "epochs": 20, "sample": 0.5}
    assert "RR@25 of prod2vec by sample" in made.path("sweep.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "R@60"}, "objective=R@60: stages=prod2vec measure RR@25"),
        ({"holdout_sessions": Partition()}, "stages=prod2vec: give holdout_sessions too"),
        ({"stages": "in_batch"}, "stages=in_batch: give pairs, queries, qrels too"),
    ],
)
def test_a_study_wants_its_tables_and_its_measures(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"items": ITEMS.at(ds=DS), "session_items": SESSION_ITEMS.at(ds=DS)}
    given |= {"holdout_sessions": HOLDOUT_SESSIONS.at(ds=DS), "sweep": SWEEP.at(ds=DS, study="vectors")}
    with pytest.raises(ValueError, match=message):
        sweep.Args(**{**given, "stages": "prod2vec", "objective": "RR@25", **change})


def test_judging_needs_sessions_of_both_splits_and_what_they_taught(tables: dict[str, Partition]) -> None:
    with pytest.raises(ValueError, match="judges what sessions taught"):
        item2vec.Args(
            items=tables["items"],
            item2vec=ITEM2VEC.at(ds=DS, method="content"),
            holdout_sessions=tables["holdout_sessions"],
        )

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluation import digest, evaluate, recall_curve, relevant_shown
from jobs.trec import rows_of, write_trec
from models.fusion import Ranked


def tables(seed: int = 0, n_queries: int = 12) -> tuple[pa.Table, pa.Table, pa.Table]:
    rng = np.random.default_rng(seed)
    items = pa.array([f"i{row:03d}" for row in range(150)], pa.string())
    names = [f"q{row:02d}" for row in range(n_queries)]
    ranked = [rng.permutation(150)[:100] for _ in names]
    scores = -np.sort(-rng.random((n_queries, 100)).astype(np.float32), axis=1)
    parts = [
        rows_of(arm, names, Ranked(np.array(ranked), scores), items) for arm in ("dense", "sparse")
    ]
    judged = [(name, f"i{item:03d}", float(rng.integers(0, 4))) for name in names
              for item in rng.permutation(150)[:12]]  # fmt: skip
    judged += [(name, "i999", 3.0) for name in names]  # never shown
    qrels = pa.table({"query_id": [row[0] for row in judged], "item_id": [row[1] for row in judged],
                      "relevance": [row[2] for row in judged]})  # fmt: skip
    segments = [("head", "tail")[row % 2] for row in range(n_queries)]
    queries = pa.table({"query_id": names, "segment": segments})
    return pa.concat_tables(parts), qrels, queries


def test_segments_divide_the_queries_and_average_to_the_whole() -> None:
    found = evaluate(*tables(), 2.0, 0.0)
    support, means = found.support(), found.segment_means()
    assert support == {"head": 6, "tail": 6}
    whole = sum(means[name]["dense"]["R@60"] * support[name] for name in support) / 12
    assert found.means["dense"]["R@60"] == pytest.approx(whole)


def test_the_recall_curve_passes_through_the_measures() -> None:
    rankings, qrels, queries = tables()
    found = evaluate(rankings, qrels, queries, 2.0, 0.0)
    curve = recall_curve(relevant_shown(rankings, qrels, 2.0), "dense", found.judged, 100)
    for k in (10, 60, 100):
        assert curve[k - 1] == pytest.approx(found.means["dense"][f"R@{k}"])


def test_per_query_values_are_kept_as_rows() -> None:
    found = evaluate(*tables(), 2.0, 0.0)
    rows = found.table().to_pylist()
    mine = [row["value"] for row in rows if row["arm"] == "dense" and row["measure"] == "RR@60"]
    assert np.mean(mine) == pytest.approx(found.means["dense"]["RR@60"])
    assert len(rows) == 2 * 12 * len(found.arms["dense"].names)


def test_the_interval_narrows_with_the_number_of_queries() -> None:
    few, many = (evaluate(*tables(n_queries=n), 2.0, 0.0) for n in (10, 90))
    assert many.half_width("dense", "R@60") < few.half_width("dense", "R@60")


def test_a_digest_sees_content_and_not_order() -> None:
    _, qrels, _ = tables()
    turned = qrels.take(pa.array(np.arange(len(qrels))[::-1].copy()))
    columns = ["query_id", "item_id", "relevance"]
    assert digest(qrels, columns) == digest(turned, columns)
    assert digest(qrels, columns) != digest(qrels.slice(1), columns)


def test_an_id_with_white_space_stays_one_field_of_a_run_file(tmp_path: Path) -> None:
    ids = pa.array(["a b", "c\td"], pa.string())
    ranked = Ranked(np.array([[1, 0, -1]]), np.array([[0.5, 0.25, -np.inf]], np.float32))
    write_trec(rows_of("dense", ["q"], ranked, ids), tmp_path / "dense.trec")
    assert (tmp_path / "dense.trec").read_text().splitlines() == [
        "q Q0 c%20d 1 0.5 dense",
        "q Q0 a%20b 2 0.25 dense",
    ]

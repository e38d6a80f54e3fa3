"""The command that judges TREC files alone, with no lake, as a team would use it first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from jobs.evaluate import Args, main

ITEMS = [f"i{n:03d}" for n in range(300)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two engines, the second one better, and graded judgements."""
    rng = np.random.default_rng(0)
    lines: dict[str, list[str]] = {"qrels": [], "old": [], "new": []}
    for query in (f"q{n:02d}" for n in range(80)):
        right = rng.choice(ITEMS, 8, replace=False).tolist()
        lines["qrels"] += [f"{query} 0 {item} {rng.integers(0, 4)}" for item in right]
        for arm, lift in (("old", 0.4), ("new", 0.9)):
            scores = {item: rng.random() + lift * (item in right) for item in ITEMS}
            lines[arm] += [
                f"{query} Q0 {item} 0 {score:.6f} {arm}" for item, score in scores.items()
            ]
    for name, rows in lines.items():
        (tmp_path / f"{name}.trec").write_text("\n".join(rows) + "\n")
    return tmp_path / "old.trec", tmp_path / "new.trec", tmp_path / "qrels.trec"


def test_values_are_those_of_trec_eval(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, new, qrels = files
    told = main(Args(f"{old},{new}", str(qrels), out=str(tmp_path / "out"), resamples=1000))
    with qrels.open() as file:
        judged = pytrec_eval.parse_qrel(file)
    for name, path in (("old", old), ("new", new)):
        with path.open() as file:
            run = pytrec_eval.parse_run(file)
        theirs = pytrec_eval.RelevanceEvaluator(
            judged, {"recall.10,60", "ndcg_cut.10", "map_cut.100"}
        ).evaluate(run)
        kept = [one for query, one in theirs.items() if max(judged[query].values()) >= 1]
        for ours, key in (
            ("R@10", "recall_10"),
            ("R@60", "recall_60"),
            ("nDCG@10", "ndcg_cut_10"),
            ("AP@100", "map_cut_100"),
        ):
            assert told["arms"][name][ours] == pytest.approx(np.mean([one[key] for one in kept]))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    said = {(one["arm"], one["measure"]): one for one in summary["comparisons"]}
    assert said["new", "R@10"]["said"] == "better" and said["new", "R@10"]["against"] == "old"
    low, high = said["new", "R@10"]["difference"][1:]
    assert 0 < low < high
    rows = pq.read_table(tmp_path / "out" / "measures.parquet")
    assert rows.column_names == ["arm", "query_id", "measure", "value"]
    assert rows.num_rows == 2 * told["queries"] * 6


def test_from_the_command_line_with_nothing_but_files(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    old, new, qrels = files
    words = [sys.executable, "-m", "jobs.evaluate", "--rankings", f"{old},{new}", "--qrels", str(qrels),
             "--measures", "R@60 RR@60 Success@1", "--resamples", "500"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout.splitlines()[-1])["arms"]["old"]) == {
        "R@60",
        "RR@60",
        "Success@1",
    }
    assert "better" in done.stderr and "p corrected" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measures": "MRR"}, "'MRR' is no measure"),
        ({"min_relevance": 9.0}, "on the scale of this data set"),
        ({"rankings": "a/x.trec,b/x.trec"}, "two files of one name"),
        ({"resamples": 5}, "wants 100 or more"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    files: tuple[Path, Path, Path], change: dict, said: str
) -> None:
    given = {"rankings": str(files[0]), "qrels": str(files[2]), "resamples": 200}
    with pytest.raises(ValueError, match=said):
        main(Args(**{**given, **change}))

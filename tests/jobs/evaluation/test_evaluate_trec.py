"""The command that judges TREC files alone, with no lake, as a team would use it first."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from jobs.evaluation.evaluate_trec import Args, main
from jobs.platform.trec import read_qrels, read_run
from models.evaluation import measures

ITEMS = [f"i{n:03d}" for n in range(300)]


def zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


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
            lines[arm] += [f"{query} Q0 {item} 0 {score:.6f} {arm}" for item, score in scores.items()]
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
        theirs = pytrec_eval.RelevanceEvaluator(judged, {"recall.10,60", "ndcg_cut.10", "map_cut.100"}).evaluate(run)
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


def test_from_the_command_line_with_nothing_but_files(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, new, qrels = files
    words = [
        sys.executable,
        "-m",
        "jobs",
        "evaluate",
        "--rankings",
        f"{old},{new}",
        "--qrels",
        str(qrels),
        "--measures",
        "R@60 RR@60 Success@1",
        "--resamples",
        "1000",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout.splitlines()[-1])["arms"]["old"]) == {"R@60", "RR@60", "Success@1"}
    assert "better" in done.stderr and "p corrected" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measures": "MRR"}, "'MRR' is no measure"),
        ({"min_relevance": 9.0}, "on the scale of this data set"),
        ({"rankings": "a/x.trec,b/x.trec"}, "two files of one name"),
        ({"measures": "R@10 R@10"}, "each once"),
        ({"measures": " "}, "expected names such as"),
        ({"min_relevance": 1.0, "zero_gain": 1.0}, "must gain something"),
        ({"rankings": ""}, "a name is empty"),
        ({"rankings": "a.trec,"}, "a name is empty"),
        ({"rankings": "a.trec, ,b.trec"}, "a name is empty"),
        ({"resamples": 999}, "expected 1,000 or more"),
        ({"rankings": ",".join(f"{n}.trec" for n in range(12))}, "expected 1,320 or more"),
    ],
)
def test_what_cannot_be_judged_is_refused(files: tuple[Path, Path, Path], change: dict, said: str) -> None:
    given = {"rankings": str(files[0]), "qrels": str(files[2]), "resamples": 1000}
    with pytest.raises(ValueError, match=said):
        main(Args(**{**given, **change}))


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]), zstd]
)
@pytest.mark.parametrize("size", [1, 5, 10, 15, 25, 400])
def test_a_packed_file_is_read_by_its_bytes(tmp_path: Path, size: int, pack: Callable[[bytes], bytes]) -> None:
    """Whatever it is named, and whatever its compressed bytes look like."""
    pairs = [(f"q{n}", f"d{n * 7 % 9}") for n in range(size)]
    qrels, run = tmp_path / "qrels.trec", tmp_path / "run.trec.gz"
    qrels.write_bytes(pack("".join(f"{query} 0 {item} 1\n" for query, item in pairs).encode()))
    run.write_bytes(pack("".join(f"{query} Q0 {item} 1 2.5 r\n" for query, item in pairs).encode()))
    assert read_qrels(qrels).num_rows == read_run(run).num_rows == size
    told = main(Args(str(run), str(qrels), "R@10"))
    assert (told["queries"], told["arms"]) == (size, {"run": {"R@10": 1.0}})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b"q1 0 d1 1\n" * 9999)[:-9], "cannot be read to its end"),
        (gzip.compress(b"q1 0 d1 1\n", mtime=0)[:9], "cannot be read to its end"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        (b"PK\x03\x04 rest", "a zip archive"),
        (bz2.compress(b"q1 0 d1 1\n"), "a bzip2 file"),
        (lzma.compress(b"q1 0 d1 1\n"), "an xz file"),
        ("q1 0 d1 1\n".encode("utf-16"), "text in UTF-16"),
        (b"PAR1....", "a Parquet file"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "qrels.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"qrels\.gz: .*{said}"):
        read_qrels(path)


def test_a_measure_that_is_none_is_told_before_any_file_is_read() -> None:
    with pytest.raises(ValueError, match="'MRR' is no measure"):
        Args("absent.trec", "absent.qrels", measures="R@10 MRR")


def test_a_ranking_of_other_queries_is_refused_and_not_worth_0(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, _, qrels = files
    other = tmp_path / "other.trec"
    other.write_text(old.read_text().replace("q", "Q"))  # Q0 stays Q0
    with pytest.raises(ValueError, match="other.trec: none of its 80 queries, such as 'Q00'.*'q00'"):
        main(Args(f"{old},{other}", str(qrels)))


def test_how_many_judged_queries_each_arm_answers_is_told(
    files: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _, qrels = files
    few = tmp_path / "few.trec"
    kept = [line for line in old.read_text().splitlines() if line < "q07"]
    few.write_text("\n".join([*kept, "strange Q0 i001 1 1 few"]) + "\n")
    told = main(Args(f"{old},{few}", str(qrels), "R@60", out=str(tmp_path / "out")))
    assert told["answered"] == {"old": told["queries"], "few": 7}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["answered"] == told["answered"]
    rows = [re.sub("[│┃]", " ", line).split() for line in capsys.readouterr().err.splitlines()]
    assert any(row == ["arm", "answered", "R@60"] for row in rows)
    assert next(row[:2] for row in rows if row[:1] == ["few"]) == ["few", "7"]


def test_only_the_measures_that_were_asked_for_are_computed(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("nobody asked for it")

    for name in ("AP", "nDCG", "Success"):
        monkeypatch.setitem(measures._KINDS, name, forbidden)
    args = Args(f"{files[0]},{files[1]}", str(files[2]), "R@10 RR@10")
    assert set(main(args)["arms"]["new"]) == {"R@10", "RR@10"}


def test_an_arm_is_shown_as_its_file_is_called(
    files: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = files[1].with_name("x[red]\x1b[31m[bold.trec")
    files[1].rename(hostile)
    main(Args(f"{hostile},{files[0]}", str(files[2]), "R@10", resamples=1000))
    shown = capsys.readouterr().err
    assert "x[red][31m[bold" in shown and "\x1b" not in shown
    assert "against x[red][31m[bold;" in shown


def test_where_it_is_to_be_written_is_looked_at_first(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileExistsError):
        main(Args("absent.trec", str(files[2]), out=str(tmp_path / "taken")))

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.datasets.judgements import judge_items
from jobs.evaluation.comparisons import compare, pairs_of
from jobs.evaluation.measures import digest, evaluate
from jobs.evaluation.query_segments import segments_of
from jobs.evaluation.room import RECOMMENDATIONS as ROOM
from jobs.evaluation.room import SEARCH
from jobs.platform.trec import read_qrels, read_run, rows_of, write_trec
from models.fusion.ranked_lists import Ranked


def tables(seed: int = 0, n_queries: int = 12) -> tuple[pa.Table, pa.Table]:
    rng = np.random.default_rng(seed)
    items = pa.array([f"i{row:03d}" for row in range(150)], pa.string())
    names = [f"q{row:02d}" for row in range(n_queries)]
    ranked = [rng.permutation(150)[:100] for _ in names]
    scores = -np.sort(-rng.random((n_queries, 100)).astype(np.float32), axis=1)
    parts = [rows_of(arm, names, Ranked(np.array(ranked), scores), items) for arm in ("dense", "sparse")]
    judged = [(name, f"i{item:03d}", float(rng.integers(0, 4))) for name in names for item in rng.permutation(150)[:12]]
    judged += [(name, "i999", 3.0) for name in names]  # never shown
    qrels = pa.table(
        {
            "query_id": [row[0] for row in judged],
            "item_id": [row[1] for row in judged],
            "relevance": [row[2] for row in judged],
        }
    )
    return pa.concat_tables(parts), qrels


def test_per_query_values_are_kept_as_rows() -> None:
    found = evaluate(*tables(), 2.0, 0.0)
    rows = found.table().to_pylist()
    mine = [row["value"] for row in rows if row["arm"] == "dense" and row["measure"] == "RR@60"]
    assert np.mean(mine) == pytest.approx(found.means["dense"]["RR@60"])
    assert len(rows) == 2 * 12 * len(found.arms["dense"].names)


def test_the_interval_narrows_with_the_number_of_queries() -> None:
    few, many = (evaluate(*tables(n_queries=n), 2.0, 0.0).intervals("dense")["R@60"] for n in (10, 90))
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low


def test_a_digest_sees_content_and_not_order() -> None:
    _, qrels = tables()
    turned = qrels.take(pa.array(np.arange(len(qrels))[::-1].copy()))
    columns = ["query_id", "item_id", "relevance"]
    assert digest(qrels, columns) == digest(turned, columns)
    assert digest(qrels, columns) != digest(qrels.slice(1), columns)


def test_an_id_with_white_space_stays_one_field_of_a_run_file(tmp_path: Path) -> None:
    ids = pa.array(["a b", "c\td"], pa.string())
    ranked = Ranked(np.array([[1, 0, -1]]), np.array([[0.5, 0.25, -np.inf]], np.float32))
    write_trec(rows_of("dense", ["q"], ranked, ids), tmp_path / "dense.trec")
    assert (tmp_path / "dense.trec").read_text().splitlines() == ["q Q0 c%20d 1 0.5 dense", "q Q0 a%20b 2 0.25 dense"]


def test_a_run_file_is_read_in_the_order_of_its_scores(tmp_path: Path) -> None:
    path = tmp_path / "engine.trec"
    path.write_text("q1 Q0 a 1 0.5 x\nq1 Q0 b 2 0.7 x\nq1 Q0 c 3 0.5 x\nq0 Q0 a 9 -1 x\n")
    rows = read_run(path).to_pydict()
    assert rows["query_id"] == ["q0", "q1", "q1", "q1"]
    assert rows["item_id"] == ["a", "b", "c", "a"], "equals by the larger id, whatever the rank says"
    assert rows["rank"] == [1, 1, 2, 3]


@pytest.mark.parametrize("gap", ["\t", "  ", " \t "])
def test_fields_may_be_apart_by_any_space(tmp_path: Path, gap: str) -> None:
    path = tmp_path / "qrels"
    path.write_text("\n".join(gap.join(row) for row in (("q", "0", "a", "2"), ("q", "0", "b", "0"))) + "\n\n")
    assert read_qrels(path).to_pydict() == {"query_id": ["q", "q"], "item_id": ["a", "b"], "relevance": [2.0, 0.0]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q 0 a 1\nq 0 b\n", "line 2 has 3 fields, expected 4"),
        ("q 0 a one\n", "relevance must be a number"),
        ("q 0 a 1\nq 0 a 2\n", "'a' for 'q'; expected each once"),
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        ("q 0 a NULL\n", "relevance must be a number.*'NULL'"),
        ("q 0 a NA\n", "relevance must be a number"),
        ("q 0 a nan\n", "relevance is not finite"),
        ("q  0 a nan\n", "relevance is not finite"),
        ("q 0 a 1e999\n", "relevance is not finite"),
        ("q 0 a \n", "line 1 has 3 fields"),
        ("q 0 b 1\n 0 a 1\n", "line 2 has 3 fields"),
        ("q 0 b 1\n" * 100 + "q 0 a\tb 1\n", "line 101 has 5 fields"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "qrels"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_qrels(path)


@pytest.mark.parametrize("text", ["NULL", "nan", "", "N/A", "-inf", "one"])
@pytest.mark.parametrize("gap", [" ", "\t", "  "])
def test_a_score_that_is_no_number_is_refused_either_way(tmp_path: Path, gap: str, text: str) -> None:
    path = tmp_path / "run"
    lines = (("q", "Q0", "a", "1", "2.5", "x"), ("q", "Q0", "b", "2", text, "x"))
    path.write_text("\n".join(gap.join(line) for line in lines) + "\n")
    with pytest.raises(ValueError, match="score|fields"):
        read_run(path)


@pytest.mark.parametrize("gap", [" ", "  "])
def test_an_id_may_be_called_null_or_nan(tmp_path: Path, gap: str) -> None:
    path = tmp_path / "qrels"
    names = ["NULL", "nan", "NA", '"quoted', "a%20b", "no\u00a0break", "1e5"]
    lines = [gap.join((query, "0", item, "1")) for query in ("NULL", "nan") for item in names]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    rows = read_qrels(path)
    assert rows.column("query_id").to_pylist() == ["NULL"] * 7 + ["nan"] * 7
    assert rows.column("item_id").to_pylist() == names * 2
    assert rows.schema.types[:2] == [pa.string(), pa.string()]


def test_an_untidy_file_is_read_in_the_memory_of_arrow(tmp_path: Path) -> None:
    """Lists of str, four fields a line, were some 70 MB here."""
    path, n = tmp_path / "qrels", 200_000
    path.write_text("".join(f"query-{row % 97}  0 item-{row:09d} {row % 3}\n" for row in range(n)))
    tracemalloc.start()
    rows = read_qrels(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.num_rows == n and rows.column("relevance").to_pylist()[-1] == (n - 1) % 3
    assert rows.column("item_id")[n - 1].as_py() == f"item-{n - 1:09d}"
    assert peak < 40e6


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rankings, _ = tables()
    mine = rankings.slice(0, rankings.num_rows // 2)
    write_trec(mine, tmp_path / "dense.trec")
    again = read_run(tmp_path / "dense.trec")
    assert again.column("item_id").to_pylist() == mine.column("item_id").to_pylist()
    assert again.column("rank").to_pylist() == mine.column("rank").to_pylist()


def test_a_better_arm_is_told_from_one_that_is_alike() -> None:
    rankings, qrels = tables(n_queries=60)
    best = [
        (q, i, r)
        for q, i, r in zip(*(qrels.column(n).to_pylist() for n in ("query_id", "item_id", "relevance")), strict=True)
        if r >= 2
    ]
    rows = pa.table(
        {
            "arm": ["hybrid"] * len(best),
            "query_id": [q for q, _, _ in best],
            "item_id": [i for _, i, _ in best],
            "rank": pa.array([1 + n for n in range(len(best))], pa.int32()),
            "score": [0.0] * len(best),
        }
    )
    found = evaluate(pa.concat_tables([rankings, rows]), qrels, 2.0, 0.0, depth=100)
    assert pairs_of(SEARCH, found) == [("dense", "sparse"), ("hybrid", "dense")]
    said = {(one.arm, one.measure): one for one in compare(found, pairs_of(SEARCH, found), resamples=2_000)}
    assert said["dense", "R@60"].said == "alike" and said["dense", "R@60"].p == 1.0
    assert said["hybrid", "nDCG@10"].difference.value == pytest.approx(
        said["hybrid", "nDCG@10"].after - said["hybrid", "nDCG@10"].before
    )


def test_segments_by_hand() -> None:
    items = pa.table(
        {
            "item_id": ["a", "b", "c", "d"],
            "title": ["Tenisówki Acme czarne", "Wiertarka udarowa", "Lampa", "Stół Nordvik Home"],
            "category": ["Obuwie > Sportowe", "Dom > Narzędzia", "Dom", "Ogród"],
            "brand": ["Acme", "", "", "Nordvik Home"],
        }
    )
    asked = {
        "q1": ("tenisowki acme", "head", ["a"]),
        "q2": ("wiertrka", "tail", ["b"]),
        "q3": ("cos do domu xr200", "tail", ["b", "c", "d", "a"]),
        "q4": ("nordvik home", "torso", ["d"]),
    }
    queries = pa.table(
        {
            "query_id": list(asked),
            "query": [one[0] for one in asked.values()],
            "segment": [one[1] for one in asked.values()],
        }
    )
    rows = [(name, item) for name, (_, _, right) in asked.items() for item in right]
    qrels = pa.table(
        {"query_id": [r[0] for r in rows], "item_id": [r[1] for r in rows], "relevance": [1.0] * len(rows)}
    )
    groups = segments_of(SEARCH, judge_items(qrels, 1.0), queries, items, pa.array(["a", "b"], pa.large_string()))

    def of(group: str, name: str) -> list[bool]:
        return groups[group][name].tolist()

    assert of("searched", "tail") == [False, True, True, False]
    assert of("wording", "every word in a title") == [True, False, False, True]
    assert of("wording", "diacritics left out") == [True, False, False, False]
    assert of("wording", "likely typo") == [False, True, False, False]
    assert of("wording", "model number") == [False, False, True, False]
    assert of("wording", "brand named") == [True, False, False, True]
    assert of("category", "Obuwie")[0] and of("category", "Dom")[1:3] == [True, True]
    assert of("breadth", "3 categories or more") == [False, False, True, False]
    assert of("items", "new items") == [False, False, False, True]


def test_segments_of_sessions_by_hand() -> None:
    """The queries are items: how much is known of the last one, how many there are, whether the target is known."""
    items = pa.table({name: ["a", "b", "c"] for name in ("item_id", "title", "category", "brand")})
    queries = pa.table(
        {
            "query_id": ["q1", "q2", "q3", "q4", "q5"],
            "query": ["a", "a b", "b a b", "a b c a", "c"],
            "segment": ["head", "torso", "tail", "unseen", "unseen"],
        }
    )
    ids = queries.column("query_id").to_pylist()
    qrels = pa.table({"query_id": ids, "item_id": ["a", "b", "c", "a", "a"], "relevance": [1.0] * 5})
    groups = segments_of(ROOM, judge_items(qrels, 1.0), queries, items, pa.array(["a", "b"], pa.large_string()))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in groups["last item"].items()} == {
        "head": [0],
        "warm": [1],
        "cold": [2],
        "new": [3, 4],
    }
    assert {name: np.flatnonzero(mask).tolist() for name, mask in groups["given"].items()} == {
        "1 item": [0, 4],
        "2-3 items": [1, 2],
        "4+ items": [3],
    }
    assert np.flatnonzero(groups["items"]["new items"]).tolist() == [2]
    assert not {"wording", "length", "searched"} & set(groups)

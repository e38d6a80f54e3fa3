"""Seen and unseen items and queries, a second view of relevance, what lists show: by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation.diversity import variety
from jobs.evaluation.gate_evidence import seed_noise, verdicts
from jobs.evaluation.room import SEARCH
from jobs.evaluation.second_relevance import second_view
from jobs.evaluation.seen_unseen import seen_unseen, without
from jobs.lake.ancestry import ancestry, each
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS, RANKINGS, SWEEP, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin


@dataclass(frozen=True)
class Args:
    """target  output"""

    target: Partition


def ranked(lists: dict[str, list[str]], arm: str = "dense") -> pa.Table:
    rows = [(arm, q, item, place) for q, items in lists.items() for place, item in enumerate(items, 1)]
    return pa.table(
        {
            "arm": [r[0] for r in rows],
            "query_id": [r[1] for r in rows],
            "item_id": [r[2] for r in rows],
            "rank": pa.array([r[3] for r in rows], pa.int32()),
        }
    )


def qrels(rows: list[tuple[str, str, float, str]]) -> pa.Table:
    names = ("query_id", "item_id", "relevance", "split")
    return pa.table(
        {name: [row[place] for row in rows] for place, name in enumerate(names)} | {"source": ["labels"] * len(rows)}
    )


def test_each_cell_is_measured_as_if_the_other_were_not_there() -> None:
    judged = qrels(
        [
            ("test1", "old", 3, "test"),
            ("test1", "new", 3, "test"),
            ("test1", "bad", 0, "test"),
            ("train1", "old", 3, "train"),
        ]
    )
    lists = ranked({"test1": ["old", "new", "bad"], "train1": ["bad", "old"]})
    found = seen_unseen(lists, judged, pa.array(["old", "bad"], pa.large_string()), 2.0, 0.0)
    by = {(one.query_seen, one.item_seen): one for one in found}
    assert set(by) == {(True, True), (False, True), (False, False)}, "no new item is judged for the seen query"
    assert by[False, False].means["dense"]["RR@60"].value == 1.0, "the seen item above it has left the list"
    assert by[False, True].means["dense"]["RR@60"].value == 1.0
    assert by[True, True].means["dense"]["RR@60"].value == 0.5, "an irrelevant item stays where it is"


def test_a_grade_on_the_threshold_counts_in_every_place() -> None:
    judged = qrels([("q", "a", 2.333333, "test")])
    (cell,) = seen_unseen(ranked({"q": ["a"]}), judged, pa.array(["a"], pa.large_string()), 7 / 3, 0.0)
    assert cell.means["dense"]["R@60"].value == 1.0


def test_ranks_close_up_by_arm_and_query() -> None:
    lists = pa.concat_tables([ranked({"q": ["a", "b", "c"], "p": ["b", "a"]}), ranked({"q": ["b", "c"]}, "sparse")])
    left = without(lists, pa.table({"query_id": ["q"], "item_id": ["b"]})).to_pylist()
    assert [(r["arm"], r["query_id"], r["item_id"], r["rank"]) for r in left] == [
        ("dense", "p", "b", 1),
        ("dense", "p", "a", 2),
        ("dense", "q", "a", 1),
        ("dense", "q", "c", 2),
        ("sparse", "q", "c", 1),
    ]


def test_clicks_are_a_second_view_of_labels_and_purchases_of_clicks(lake: Path) -> None:
    at = IMPRESSIONS.at(ds="2026-01-31")
    asked = [f"q{n:02d}" for n in range(12)]
    acts = [(q, item, True, item == "bought") for q in asked for item in ("clicked", "bought")] + [
        (q, "seen", False, False) for q in asked
    ]
    with publish(at, Args(at)) as out:
        n, names = len(acts), [row[0] for row in acts]
        given = {
            "search_id": names,
            "query_id": names,
            "query": names,
            "session_id": names,
            "client_id": names,
            "item_id": [row[1] for row in acts],
            "position": pa.array([1] * n, pa.int32()),
            "is_click": [row[2] for row in acts],
            "is_cart": [False] * n,
            "is_purchase": [row[3] for row in acts],
            "searched_at": pa.array([0] * n, pa.timestamp("us", "UTC")),
        }
        out.write_table(pa.table(given))
    lists = ranked({q: ["seen", "clicked", "bought"] for q in asked})
    labels = qrels([(q, "seen", 1, "test") for q in asked])
    clicks = labels.set_column(labels.schema.get_field_index("source"), "source", pa.array(["clicks"] * len(asked)))
    for judgements, rr in ((labels, 1 / 2), (clicks, 1 / 3)):
        found = second_view(pin(at), "auto", lists, judgements, 100)
        assert found is not None and found.means["dense"]["RR@60"] == pytest.approx(rr)
    few = ranked({q: ["clicked"] for q in asked[:9]})
    assert second_view(pin(at), "auto", few, labels, 100) is None, "nine queries are no view"


def test_what_lists_show_by_hand() -> None:
    items = pa.table(
        {
            "item_id": ["a", "b", "c", "d"],
            "group_id": ["1", "1", "2", "3"],
            "category": ["X", "X", "Y", ""],
            "brand": ["", "", "", ""],
        }
    )
    lists = ranked({"q": ["a", "b", "c"], "p": ["a", "b", "gone"]})
    (found,) = variety(lists, items, ["dense"])
    assert found.duplicates_frac == pytest.approx(2 / 5), "b repeats the product of a, twice in five places"
    # q: of its three pairs one is of one category; p: its one pair is
    assert found.category == pytest.approx((1 / 3 + 1) / 2)
    assert found.brand == 0, "no item has a brand: that says nothing of variety"
    # a and b fill four of five places: 80%; with c all: three of four items
    assert found.p90_frac == pytest.approx(3 / 4)


def test_the_noise_of_seeds_by_hand(lake: Path) -> None:
    """Three trainings with R@60 .60, .62, .64: s = .02, Student's half-width 4.303 s / sqrt(3)."""
    at = SWEEP.at(ds="2026-01-31", study="seeds")
    half = 4.302653 * 0.02 / 3**0.5
    with publish(at, Args(at)) as out:
        rows = {
            "measure": ["R@60", "R@60", "RR@60"],
            "slice": ["all", "head", "all"],
            "stage": ["star"] * 3,
            "seeds": [3, 3, 3],
            "seeds_low": [0.62 - half, 0.0, 0.0],
            "seeds_high": [0.62 + half, 1.0, 1.0],
        }
        pq.write_table(pa.table(rows), out.folder / "measures.parquet")
    assert seed_noise(pin(at), "R@60") == pytest.approx(1.96 * 2**0.5 * 0.02, rel=1e-3)
    lone = SWEEP.at(ds="2026-01-31", study="lone")
    with publish(lone, Args(lone)) as out:
        pq.write_table(pa.table({**rows, "seeds": [1, 1, 1]}), out.folder / "measures.parquet")
    with pytest.raises(LookupError, match="no trial of several seeds"):
        seed_noise(pin(lone), "R@60")


def test_the_gate_reads_the_verdict_on_late_events_of_the_day_alone(lake: Path) -> None:
    today, before = (LATE_IMPRESSIONS.at(ds=ds) for ds in ("2026-01-31", "2026-01-30"))
    for late in (today, before):
        with publish(late, Args(late)) as out:
            pq.write_table(pa.table({"query_id": ["q"]}), out.folder / "late.parquet")
        (Path(pin(late).uri) / VERDICT).write_text('{"verdict": "stop"}')
    at = RANKINGS.at(ds="2026-01-31", space="1" * 16)
    with publish(at, Args(at), [pin(late, even_stopped=True) for late in (today, before)]) as out:
        pq.write_table(pa.table({"query_id": ["q"]}), out.folder / "rankings.parquet")
    ancestors = list(each(ancestry(pin(at))))
    assert verdicts(SEARCH.input_tables, ancestors, "2026-01-31") == {str(at): "not checked", str(today): "stop"}

"""Figures that no row tells: history, other tables, the manifest; bands and hashes by hand."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.lake import read as reading
from jobs.lake import storage as store
from jobs.lake.manifest import VERDICT, Source
from jobs.lake.partitions import EMBEDDINGS, IMPRESSIONS, ITEMS, PAIRS, QUERIES, Partition
from jobs.lake.publish import publish
from jobs.quality import expect
from jobs.quality.count import CountPlan, figures_here
from jobs.quality.count_vectors import VectorSums
from jobs.quality.data_docs import site
from jobs.quality.manifest_figures import manifest_figures
from jobs.quality.metrics import Metric
from jobs.quality.run_suite import count, history
from models.quality.hashes import text_words
from models.quality.robust_bands import ratio_band, robust_band, stability_index
from tests.jobs.quality.suite_cases import Args, partition, put, rules

LAST = "2026-01-31"
SECRET = "tajne-haslo"


def test_a_ratio_band_is_of_the_median() -> None:
    assert ratio_band([100, 200, 1000], 0.5, 2) == (100, 400)


def test_a_robust_band_is_a_median_and_its_deviations() -> None:
    # median 12; deviations 2, 1, 0, 1, 88: their median 1, so one robust sigma is 1.4826
    low, high = robust_band([10, 11, 12, 13, 100], mads=2, floor=0, floor_frac=0)
    assert (low, high) == pytest.approx((12 - 2.9652, 12 + 2.9652))
    assert robust_band([5, 5, 5], mads=6, floor=0.5, floor_frac=0.2) == (4, 6)  # a calm week: 20%
    assert robust_band([5, 5, 5], mads=6, floor=2, floor_frac=0.2) == (3, 7)  # or the floor, if wider


def test_the_stability_index_is_zero_for_the_same_and_known_for_another() -> None:
    assert stability_index([[10, 20], [100, 200]], [1000, 2000]) == pytest.approx(0, abs=1e-4)
    # (0.5 - 0.25) ln 2 + (0.5 - 0.75) ln(2/3), with so many rows that half a row does not count
    expected = 0.25 * math.log(2) - 0.25 * math.log(2 / 3)
    assert stability_index([[1e9, 3e9]], [1e9, 1e9]) == pytest.approx(expected, rel=1e-6)


def test_hashes_are_of_the_text_and_not_of_its_place() -> None:
    texts = ["", "a", "ab", "łódka", "x" * 40, "ab", "b", "a"]
    raw = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, raw)])
    found = text_words(offsets, np.frombuffer(b"".join(raw), np.uint8))
    assert len(set(found.tolist())) == len(set(texts))
    assert found[1] == found[7]
    assert found[2] == found[5]
    alone = text_words(np.array([0, 40]), np.frombuffer(b"x" * 40, np.uint8))
    assert alone[0] == found[4]


def verdict(table: str, ds: str, figures: dict[str, float], word: str = "pass") -> None:
    """Publish an earlier day and its verdict."""
    at = Partition.parse(f"{table}/ds={ds}")
    with publish(at, Args(ds)) as out:
        out.write_table(reading.read_table(reading.pin(partition(table), even_stopped=True)))
    pinned = reading.pin(at)
    record = {"verdict": word, "stops": [], "manifest_sha256": pinned.manifest_sha256, "figures": figures}
    store.write_bytes(f"{pinned.uri}/{VERDICT}", json.dumps(record).encode())


def before(days: int) -> str:
    return (date.fromisoformat(LAST) - timedelta(days=days)).isoformat()


def test_history_is_of_earlier_days_that_did_not_stop(lake: Path) -> None:
    put("queries", {})
    verdict("queries", before(-1), {"rows": 1})  # tomorrow: a backfill must not see it
    verdict("queries", before(1), {"rows": 2})
    verdict("queries", before(2), {"rows": 3}, "stop")
    verdict("queries", before(7), {"rows": 4}, "warn")
    verdict("queries", before(28), {"rows": 5})
    verdict("queries", before(29), {"rows": 6})
    assert [(ago, dict(found)) for ago, found in history(partition("queries"))] == [
        (1, {"rows": 2}),
        (7, {"rows": 4}),
        (28, {"rows": 5}),
    ]


def test_history_is_of_the_version_that_was_judged(lake: Path) -> None:
    put("queries", {})
    verdict("queries", before(1), {"rows": 2})
    with publish(QUERIES.at(ds=before(1)), Args("again")) as out:  # made again, not judged yet
        out.write_table(reading.read_table(reading.pin(partition("queries"))))
    assert history(partition("queries")) == []


def test_a_day_that_is_far_from_its_weekday_stops_and_says_so(lake: Path) -> None:
    put("query_counts", {})
    for ago in (7, 14, 21, 28):
        verdict("query_counts", before(ago), {"rows": 30})
    for ago in (1, 2, 3):  # other weekdays have other habits
        verdict("query_counts", before(ago), {"rows": 3})
    with pytest.raises(RuntimeError) as error:
        expect.main(expect.Args(str(partition("query_counts"))))
    assert "rows are 30% to 300% of those of the same weekday" in str(error.value)
    assert "found 3, expected 9 to 90, by 4 earlier days; most of the day is missing" in str(error.value)
    page = (
        site()
        / json.loads(store.read_bytes(f"{reading.pin(partition('query_counts'), even_stopped=True).uri}/{VERDICT}"))[
            "data_docs"
        ]
    ).read_text("utf-8")
    assert "3, expected 9 to 90, by 4 earlier days" in page


def test_a_tripled_day_warns_before_its_weekday_has_a_history(lake: Path) -> None:
    put("query_counts", {})
    for ago in (1, 2):
        verdict("query_counts", before(ago), {"rows": 1})
    assert expect.main(expect.Args(str(partition("query_counts"))))["verdicts"] == {
        str(partition("query_counts")): "warn"
    }
    said = store.read_bytes(f"{reading.pin(partition('query_counts')).uri}/{VERDICT}").decode()
    assert "rows are 40% to 250% of the last 7 days' median" in said


def test_large_numbers_are_written_out(lake: Path) -> None:
    put("query_counts", {})
    for ago, rows in ((1, 50_001), (2, 50_002)):
        verdict("query_counts", before(ago), {"rows": rows})
    expect.main(expect.Args(str(partition("query_counts"))))
    said = store.read_bytes(f"{reading.pin(partition('query_counts')).uri}/{VERDICT}").decode()
    assert "found 3, expected 20,001 to 125,004, by 2 earlier days" in said


def test_the_first_days_pass_and_say_that_they_have_no_history(lake: Path) -> None:
    put("query_counts", {})
    assert expect.main(expect.Args(str(partition("query_counts"))))["verdicts"] == {
        "query_counts/ds=2026-01-31": "pass"
    }
    (page,) = site().glob("validations/query_counts/*/*.html")
    assert "3, no history yet (0 earlier days)" in page.read_text("utf-8")


def test_orphans_are_counted_against_the_version_that_was_read(lake: Path) -> None:
    """pairs name 3 queries; one is gone from the newer version of queries, which they were not made of."""
    put("queries", {})
    old = reading.pin(partition("queries"))
    rows = reading.read_table(reading.pin(put("pairs", {}).partition))
    with publish(QUERIES.at(ds=LAST), Args("newer")) as out:
        out.write_table(reading.read_table(old).slice(1))
    names = ("orphans query_id queries", "orphans query_id,split queries", "missing query_id queries")
    counts = tuple(Metric.parse(name) for name in names)

    def figures(inputs: list[reading.Pinned]) -> list[float]:
        with publish(PAIRS.at(ds=LAST), Args(str(inputs)), inputs) as out:
            out.write_table(rows)
        found = figures_here(CountPlan(reading.pin(PAIRS.at(ds=LAST)), counts))
        return [found[name] for name in names]

    assert figures([old]) == [0, 0, 2]
    assert figures([]) == [2, 2, 2]  # both pairs of the first query; the current version has 4


def test_a_pair_with_another_split_than_its_query_stops(lake: Path) -> None:
    put("queries", {})
    put("pairs", {"row": {"query_id": "c" * 40}})  # its query is for the test, the row says train
    with pytest.raises(RuntimeError, match="every pair has the split of its query"):
        expect.main(expect.Args(str(partition("pairs"))))


def test_vectors_of_another_shard_are_orphans_and_its_own_items_missing(lake: Path) -> None:
    ids = [f"i{n}" for n in range(40)]
    good = reading.read_table(reading.pin(put("items", {}).partition)).slice(0, 1)
    rows = pa.concat_tables([good] * 40).set_column(0, "item_id", pa.array(ids))
    with publish(ITEMS.at(ds=LAST), Args()) as out:
        out.write_table(rows)
    from jobs.embeddings.sharding import shard_of

    mine = shard_of(pa.array(ids), 2) == 0
    at = EMBEDDINGS.at(ds=LAST, space="0123456789abcdef", shard="0of2")
    counts = (Metric.parse("orphans item_id items"), Metric.parse("missing item_id items"))
    for chosen, expected in ((mine, (0, 0)), (~mine, (int((~mine).sum()), int(mine.sum())))):
        names = np.array(ids)[chosen].tolist()
        vectors = pa.array([[0.6, 0.8]] * len(names), pa.list_(pa.float32()))
        table = pa.table({"item_id": names, "content_hash": ["a" * 40] * len(names), "embedding": vectors})
        with publish(at, Args(str(expected))) as out:
            out.write_table(table)
        found = figures_here(CountPlan(reading.pin(at), counts))
        assert (found["orphans item_id items"], found["missing item_id items"]) == expected


def test_a_manifest_tells_its_accounts_its_facts_and_the_age_of_its_inputs(lake: Path) -> None:
    with publish(ITEMS.at(ds=before(2)), Args()) as out:
        (out.folder / "x.txt").write_text("x")
    with publish(IMPRESSIONS.at(ds=LAST), Args(), [reading.pin(ITEMS.at(ds=before(2)))]) as out:
        (out.folder / "x.txt").write_text("x")
        # a file of newlines, and the action lines of a bulk export: no record is lost with them
        empty = {"blank": 9_000, "bulk_action": 50}
        out.count("log lines", 9_150, 60, {"bot_rate": 20, "bot_silent": 10, "malformed": 10, **empty})
        out.facts["drift"] = {"stop": 2, "warn": True, "names": ["x"]}
    wanted = [
        "fact drift.stop",
        "fact drift.warn",
        "fact drift.names",
        "fact other",
        "dropped_frac log_lines blank",
        "dropped_frac searches bot",
    ]
    found = manifest_figures(reading.pin(IMPRESSIONS.at(ds=LAST)), wanted)
    assert 0 <= found.pop("hours_after_inputs") < 1
    assert found == {
        "accounts": 1,
        "rows_in log_lines": 100,
        "dropped_frac log_lines": 0.4,
        "dropped_frac log_lines bot": pytest.approx(0.3),
        "dropped_frac log_lines bot_rate": 0.2,
        "dropped_frac log_lines bot_silent": 0.1,
        "dropped_frac log_lines malformed": 0.1,
        "dropped_frac log_lines blank": 0.0,
        "inputs_after_ds": 0,
        "newest_input_days_before": 2,
        "fact drift.stop": 2,
    }


def test_a_reason_that_drops_more_than_its_usual_share_warns_and_is_named(lake: Path) -> None:
    """Another hashing secret, seen from outside: 49% of the searches are rare after days of 20%. No rule names rarity."""
    rows = reading.read_table(put("impressions", {}))
    usual = {"dropped_frac searches": 0.2, "dropped_frac searches rare_query": 0.2}
    for ago in (1, 2, 3):
        verdict("impressions", before(ago), usual)

    def judged(dropped: dict[str, int], searches: int = 1000) -> list[str]:
        with publish(IMPRESSIONS.at(ds=LAST), Args(str(dropped))) as out:
            out.write_table(rows)
            out.count("log lines", len(rows), len(rows), {})
            out.count("searches", searches, searches - sum(dropped.values()), dropped)
        expect.main(expect.Args(f"impressions/ds={LAST}"))
        return json.loads(store.read_bytes(f"{reading.pin(IMPRESSIONS.at(ds=LAST)).uri}/{VERDICT}"))["warns"]

    assert judged({"rare_query": 200}) == []
    assert judged({"rare_query": 20}) == []  # a young shop: more queries become common every day
    assert judged({"rare_query": 19}, searches=20) == []  # too few to say anything
    (warn,) = judged({"rare_query": 490})
    assert "no reason drops a larger share of rows than in the last 28 days: searches rare_query" in warn
    assert "found 49%, expected at most 23%, by 3 earlier days" in warn
    overview = (site() / "index.html").read_text("utf-8")
    assert "searches rare_query" in overview and "found 49%, expected at most 23%" in overview
    (warn,) = judged({"rare_query": 200, "nothing_shown": 90})  # a reason that dropped nothing before
    assert "searches nothing_shown" in warn and "found 9%, expected at most 3%" in warn


def test_schema_drift_that_the_job_stated_stops(lake: Path) -> None:
    rows = reading.read_table(put("impressions", {}))
    with publish(IMPRESSIONS.at(ds=LAST), Args()) as out:
        out.write_table(rows)
        out.count("log lines", 5, 5, {})
        out.facts["drift"] = {"stop": 1, "warn": 0}
    with pytest.raises(RuntimeError, match="drifted so that it must stop .*found 1, expected at most 0"):
        expect.main(expect.Args(str(partition("impressions"))))


def test_moments_of_vectors_by_hand_and_by_parts() -> None:
    vectors = [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [-1.0, 0.0, 0.5]]
    kind = pa.list_(pa.float32())
    whole = VectorSums.of(pa.array(vectors, kind)).figures()
    # inner products of the three pairs: 0.25, -0.75, 0.25
    assert whole["mean_cosine"] == pytest.approx(-0.25 / 3)
    assert whole["constant_dims"] == 1
    parts = VectorSums.of(pa.array(vectors[:1], kind)).joined(VectorSums.of(pa.array(vectors[1:], kind)))
    assert parts.figures() == pytest.approx(whole)
    broken = [[float("nan"), 0.0, 0.0], None, [1.0, 2.0], vectors[0]]
    found = VectorSums.of(pa.array(broken, kind)).figures()
    assert (found["not_finite"], found["other_dim"]) == (1, 2)


def test_nothing_that_somebody_typed_is_a_figure(lake: Path) -> None:
    """A value planted into every text of every table reaches no result, page or figure, failed or not."""
    from tests.jobs.quality.suite_cases import NAMES, spoil

    for table in NAMES:
        texts = {f.name: SECRET for f in spoil(table, {})[1] if pa.types.is_string(f.type)}
        put(table, {"row": texts, "again": texts})
    names = ",".join(str(partition(table)) for table in NAMES)
    with pytest.raises(RuntimeError) as error:
        expect.main(expect.Args(names))
    assert SECRET not in str(error.value)
    files = [*site().parent.rglob("*"), *lake.rglob(VERDICT)]
    texts_written = [path.read_bytes().decode("utf-8", "replace") for path in files if path.is_file()]
    assert len(texts_written) > 3 * len(NAMES)
    assert not any(SECRET in text for text in texts_written)


def test_figures_are_kept_in_the_verdict(lake: Path) -> None:
    pinned = put("query_counts", {})
    expect.main(expect.Args(str(partition("query_counts"))))
    found = json.loads(store.read_bytes(f"{pinned.uri}/{VERDICT}"))["figures"]
    assert found["rows"] == 3
    assert found["mean searches"] == pytest.approx(14 / 3)
    again = count(pinned, rules("query_counts"), "arrow")
    assert found == pytest.approx({n: value for n, value in again.items() if n in found})
    assert "schema_differences" not in found


def test_a_replaced_input_is_newer_than_what_was_made_of_it(lake: Path) -> None:
    pinned = put("query_counts", {})
    soon = datetime.now(UTC) + timedelta(hours=2)
    source = Source(f"log/ds={LAST}", f"{soon:%Y%m%dT%H%M%S}-abcdef", "0" * 64, "0" * 64)
    pinned.manifest.inputs.append(source)
    assert manifest_figures(pinned, [])["hours_after_inputs"] == pytest.approx(-2, abs=0.1)

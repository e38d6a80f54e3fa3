"""Two reports beside each other, and what earlier nights said: small reports, published as jobs.evaluation.report would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation import compare, comparisons
from jobs.evaluation.compare import MEASURES
from jobs.evaluation.history import Night, alerts_of, earlier_nights, night_of
from jobs.evaluation.room import SEARCH
from jobs.lake.partitions import INDEX, REPORT, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from models.evaluation.significance import permutation_p

Q = 200
DIGEST = "d" * 40


@dataclass(frozen=True)
class Args:
    """report  output"""

    report: Partition


def published(
    ds: str,
    lift: float = 0.0,
    digest: str = DIGEST,
    champion: str = "",
    towers: str = "1" * 16,
    hostile: str = "typo",
    **changed: object,
) -> Partition:
    """A report whose hybrid arm is `lift` better in the second half of the queries."""
    at = REPORT.at(ds=ds, space=towers)
    rng = np.random.default_rng(0)
    base = rng.choice([0.0, 0.4, 0.8], Q)
    names = [f"q{n:03d}" for n in range(Q)]
    arms = {"dense": base, "hybrid": base + lift * (np.arange(Q) >= Q // 2)}
    columns: dict[str, list] = {"arm": [], "query_id": [], "measure": [], "value": []}
    for arm, values in arms.items():
        for measure in MEASURES:
            columns["arm"] += [arm] * Q
            columns["query_id"] += names
            columns["measure"] += [measure] * Q
            columns["value"] += values.tolist()
    segments = {"query_id": names, "group": ["wording"] * Q, "segment": ["plain"] * (Q // 2) + [hostile] * (Q // 2)}
    means = {arm: {name: float(values.mean()) for name in MEASURES} for arm, values in arms.items()}
    if champion:
        means["champion_hybrid"] = {name: float(base.mean()) for name in MEASURES}
    with publish(at, Args(at)) as out:
        pq.write_table(pa.table(columns), out.folder / "measures.parquet")
        pq.write_table(pa.table(segments), out.folder / "segments.parquet")
        told = {
            "queries": Q,
            "qrels_digest": digest,
            "measures": means,
            "verdict": "pass",
            "min_relevance": 2.0,
            "zero_gain": 0.0,
            "depth": 100,
        } | changed
        (out.folder / "summary.json").write_text(json.dumps(told))
        out.facts["champion"] = {"index": champion} if champion else {}
    return at


def test_what_moved_is_told_by_arm_and_segment(lake: Path, tmp_path: Path) -> None:
    before = published("2026-01-30")
    after = published("2026-01-31", lift=0.1, hostile="<img src=x onerror=alert(1)>")
    page = tmp_path / "compare.html"
    told = compare.main(compare.Args(before, after, str(page), resamples=1000))
    assert (told["better"], told["worse"], told["alike"]) == (len(MEASURES), 0, len(MEASURES))
    text = page.read_text()
    assert "default-src" in text and "<script" not in text and "<img src=x" not in text
    assert "wording: &lt;img src=x" in text and "+0.100" in text
    back = compare.main(compare.Args(after, before, resamples=1000))
    assert back["worse"] == len(MEASURES)


def test_reports_of_other_judgements_are_refused(lake: Path) -> None:
    before, after = published("2026-01-30", digest="e" * 40), published("2026-01-31")
    with pytest.raises(ValueError, match="expected the same: rank and judge"):
        compare.main(compare.Args(before, after))
    old = published("2026-01-29", digest="")
    with pytest.raises(ValueError, match="expected the same"):
        compare.main(compare.Args(old, old))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"min_relevance": 3.0}, "differently: min_relevance 3.0 against 2.0; expected"),
        ({"zero_gain": 1.0}, "differently: zero_gain 1.0 against 0.0; expected"),
        ({"depth": 1000}, "differently: depth 1000 against 100; expected"),
        ({"depth": None}, "depth unknown, of older code against 100"),
        ({"depth": 60, "zero_gain": 1.0}, "zero_gain 1.0 against 0.0; depth 60 against 100"),
    ],
)
def test_reports_that_took_judgements_otherwise_are_refused(lake: Path, changed: dict, said: str) -> None:
    before, after = published("2026-01-30"), published("2026-01-31", **changed)
    with pytest.raises(ValueError, match=said):
        compare.main(compare.Args(before, after))


def rewritten(report: Partition, change: Callable[[pa.Table], pa.Table]) -> Partition:
    """The same report with other values, published anew."""
    old = {name: pin(report).path(name) for name in ("measures.parquet", "segments.parquet", "summary.json")}
    kept = {name: path.read_bytes() for name, path in old.items()}
    with publish(report, Args(report)) as out:
        for name, data in kept.items():
            (out.folder / name).write_bytes(data)
        path = out.folder / "measures.parquet"
        pq.write_table(change(pq.read_table(path)), path)
    return report


def column(table: pa.Table, name: str, change: Callable[[str], str]) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, name, [[change(one) for one in table.column(name).to_pylist()]])


def test_reports_whose_values_are_of_other_queries_are_refused(lake: Path) -> None:
    before = published("2026-01-30")
    other = rewritten(
        published("2026-01-31"), lambda table: column(table, "query_id", lambda one: one.replace("q007", "q777"))
    )
    with pytest.raises(ValueError, match="expected the same queries in both"):
        compare.main(compare.Args(before, other, resamples=1000))
    short = rewritten(published("2026-02-01"), lambda table: table.slice(1))
    with pytest.raises(ValueError, match="arm 'dense' lacks 1 of 1,000 values"):
        compare.main(compare.Args(before, short, resamples=1000))


def test_the_order_of_rows_does_not_matter(lake: Path) -> None:
    before, after = published("2026-01-30"), published("2026-01-31", lift=0.1)
    turn = np.random.default_rng(5).permutation(2 * Q * len(MEASURES))
    mixed = rewritten(published("2026-02-01", lift=0.1), lambda table: table.take(pa.array(turn)))
    said = [compare.main(compare.Args(before, one, resamples=1000)) for one in (after, mixed)]
    assert said[0]["better"] == said[1]["better"] == len(MEASURES)
    same = compare.main(compare.Args(after, mixed, resamples=1000))
    assert same["alike"] == 2 * len(MEASURES)


def test_an_arm_is_shown_as_it_is_called(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = [
        rewritten(published(day), lambda table: column(table, "arm", {"dense": "x[/]", "hybrid": "y[red]"}.__getitem__))
        for day in ("2026-01-30", "2026-01-31")
    ]
    compare.main(compare.Args(*reports, resamples=1000))
    shown = capsys.readouterr().err
    assert "x[/]" in shown and "y[red]" in shown


def test_where_the_page_is_to_stand_is_looked_at_first(lake: Path, tmp_path: Path) -> None:
    absent = REPORT.at(ds="2026-01-31", space="1" * 16)
    with pytest.raises(ValueError, match="it is a folder"):
        compare.main(compare.Args(absent, absent, str(tmp_path)))
    page = tmp_path / "some" / "where" / "compare.html"
    report = published("2026-01-31")
    compare.main(compare.Args(report, report, str(page), resamples=1000))
    assert page.is_file()
    with pytest.raises(ValueError, match="expected 1,000 or more"):
        compare.Args(report, report, resamples=999)


def test_one_throw_of_the_coins_serves_all_measures_of_an_arm(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    def watched(differences: np.ndarray, *rest: int) -> np.ndarray:
        shapes.append(differences.shape)
        return permutation_p(differences, *rest)

    monkeypatch.setattr(comparisons, "permutation_p", watched)
    report = published("2026-01-31")
    compare.main(compare.Args(report, report, resamples=1000))
    assert shapes == [(Q, len(MEASURES))] * 2 + [(Q // 2, 1)] * 2, "two arms, then two segments"


def test_earlier_nights_are_read_and_never_later_ones(lake: Path) -> None:
    served = str(INDEX.at(ds="2026-01-20", space="1" * 16))
    for day in ("2025-06-01", "2026-01-28", "2026-01-29", "2026-02-01"):
        published(day, champion=served)
    published("2026-01-29", towers="2" * 16, lift=0.2)
    found = earlier_nights(SEARCH, REPORT.at(ds="2026-01-30", space="1" * 16))
    assert [(one.ds, one.towers[0]) for one in found] == [("2026-01-28", "1"), ("2026-01-29", "1")]
    assert [one.age_days for one in found] == [8, 9]
    assert found[0].kept == pytest.approx(1.0)
    other = earlier_nights(SEARCH, REPORT.at(ds="2026-01-30", space="2" * 16))
    assert [(one.ds, one.towers[0]) for one in other] == [("2026-01-28", "1"), ("2026-01-29", "2")]
    assert other[1].now == pytest.approx(found[1].now + 0.1) and other[1].served == 0


def test_of_two_reports_of_a_day_by_other_towers_the_last_written_counts(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour, towers in ((9, "3"), (11, "1"), (10, "2")):
        stopped = datetime(2026, 2, 5, hour, tzinfo=UTC)
        clock = type("Clock", (datetime,), {"now": classmethod(lambda cls, zone, at=stopped: at)})
        monkeypatch.setattr("jobs.lake.attempt.datetime", clock)
        published("2026-01-29", towers=towers * 16)
    (found,) = earlier_nights(SEARCH, REPORT.at(ds="2026-01-30", space="4" * 16))
    assert found.towers == "1" * 16


def _summary_of(report: Partition) -> Path:
    pinned = pin(report)
    return Path(pinned.uri) / "summary.json"


DAMAGE = {
    "changed": lambda at: _summary_of(at).write_text("{}"),
    "gone": lambda at: _summary_of(at).unlink(),
    "manifest changed": lambda at: (_summary_of(at).parent / "_manifest.json").write_text("{}"),
    "manifest gone": lambda at: (_summary_of(at).parent / "_manifest.json").unlink(),
    "pointer cut": lambda at: (Path(at.uri) / "_current.json").write_text('{"attempt"'),
    "pointer empty": lambda at: (Path(at.uri) / "_current.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_old_report_does_not_stop_tonights(
    lake: Path, damage: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    published("2026-01-27")
    bad = published("2026-01-28")
    damage(bad)
    found = earlier_nights(SEARCH, REPORT.at(ds="2026-01-30", space="1" * 16))
    assert [one.ds for one in found] == ["2026-01-27"]
    assert f"{bad}: left out of the trend" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "NaN",
        "\xff",
        '{"measures": {}}',
        '{"measures": {"dense": {}}, "verdict": "pass", "queries": 9}',
        '{"measures": {"dense": {"R@60": NaN}}, "verdict": "pass", "queries": 9}',
        '{"measures": {"dense": {"R@60": null}}, "verdict": "pass", "queries": 9}',
    ],
)
def test_a_report_of_older_code_is_left_out(lake: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    old = REPORT.at(ds="2026-01-29", space="1" * 16)
    with publish(old, Args(old)) as out:
        (out.folder / "summary.json").write_bytes(text.encode("latin-1"))
    published("2026-01-29", towers="2" * 16)
    (found,) = earlier_nights(SEARCH, REPORT.at(ds="2026-01-30", space="1" * 16))
    assert found.towers == "2" * 16, "the day's other report stands for it"
    assert f"{old}: left out of the trend" in caplog.text


def night(ds: str, now: float, served: float = 0.0, age_days: int = 0) -> Night:
    return Night(ds, "1" * 16, "pass", 100, now, served, age_days)


def test_alerts_by_hand() -> None:
    nights = [night(f"2026-01-{day:02d}", 0.6) for day in range(1, 8)]
    assert alerts_of(nights, night("2026-01-08", 0.56), 0.05, 14) == []
    (said,) = alerts_of(nights, night("2026-01-08", 0.54), 0.05, 14)
    assert "fell to 0.540" in said and "median of the last 7 nights is 0.600" in said
    assert alerts_of(nights[:2], night("2026-01-08", 0.1), 0.05, 14) == [], "two nights are no trend"
    (said,) = alerts_of([], night("2026-01-08", 0.6, served=0.59, age_days=15), 0.05, 14)
    assert "of 15 days ago" in said
    (said,) = alerts_of([], night("2026-01-08", 0.6, served=0.5, age_days=2), 0.05, 14)
    assert "0.500 on today's queries, a fresh one 0.600" in said


def days(values: list[float]) -> list[Night]:
    """Nights from the first of January, the last of them tonight."""
    first = date(2026, 1, 1)
    return [night(str(first + timedelta(days=n)), one) for n, one in enumerate(values)]


def test_slow_decay_is_told_by_hand() -> None:
    """One point lost each night: the last week's median is never 5 points above tonight."""
    *nights, tonight = days([0.6 - 0.01 * n for n in range(14)])
    (said,) = alerts_of(nights, tonight, 0.05, 14)
    # medians: of 0.60 to 0.54 it is 0.57, of 0.53 to 0.47 it is 0.50
    assert "last 7 nights is 0.500, that of the 7 up to 2026-01-07 was 0.570" in said
    assert alerts_of(nights, tonight, 0.08, 14) == []
    assert alerts_of(nights[1:], tonight, 0.05, 14) == [], "thirteen nights hold no two weeks"


def test_the_best_week_is_any_that_shares_no_night_with_the_last() -> None:
    values = [0.5] * 3 + [0.9] * 3 + [0.6] * 7 + [0.52] * 7
    *nights, tonight = days(values)
    # windows with all three of 0.9 and four others have a median of 0.6 or less: no single peak counts
    (said,) = alerts_of(nights, tonight, 0.05, 14)
    assert "is 0.520, that of the 7 up to 2026-01-13 was 0.600" in said
    *nights, tonight = days([0.6] * 6 + [0.52] * 8)
    (said,) = alerts_of(nights, tonight, 0.05, 14)
    assert "up to 2026-01-07 was 0.600" in said
    *nights, tonight = days([0.52] * 7 + [0.9] * 3 + [0.52] * 4)
    assert alerts_of(nights, tonight, 0.05, 14) == [], "three good nights are no week"


def test_without_a_sparse_arm_dense_stands_for_the_night() -> None:
    told = {"measures": {"dense": {"R@60": 0.5}}, "verdict": "stop", "queries": 7}
    found = night_of(REPORT.at(ds="2026-01-31", space="1" * 16), told, {})
    assert (found.now, found.verdict, found.age_days) == (0.5, "stop", 0)

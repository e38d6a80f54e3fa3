"""The overview of data quality: counts as computed by hand, days that went wrong, nothing that anybody typed."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from jobs.lake import storage as store
from jobs.lake.manifest import VERDICT
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import quality_pages
from jobs.quality import data_docs, expect
from jobs.quality.data_docs import html
from jobs.quality.overview.alerts import Alert, alerts_file, read_alerts
from jobs.quality.overview.attention import attention, sentence
from jobs.quality.overview.calendar import fields
from jobs.quality.overview.charts import bar_chart, line_chart
from jobs.quality.overview.days import Board
from jobs.quality.overview.expected_bands import bands_of
from jobs.quality.overview.page import overview
from jobs.quality.overview.record import as_today, plain
from jobs.quality.overview.series import drop_reasons, rates, volumes
from tests.jobs.quality.overview.board_days import account, alert, days, record, shop, with_faults, write
from tests.jobs.quality.suite_cases import Args, partition, put

HOSTILE = "<img src=x onerror=alert(1)>\"'</title><script>alert(1)</script>"


def home() -> Path:
    return data_docs.site().parent


def faulty(number: int = 40) -> Board:
    records, alerts = with_faults(shop(number))
    home().mkdir(parents=True, exist_ok=True)
    alerts_file().write_text("".join(json.dumps(one) + "\n" for one in alerts))
    return Board(records, read_alerts(alerts_file()))


def titles(board: Board, table: str) -> dict[str, tuple[str, str]]:
    return {day: (one.verdict, one.title) for day, one in zip(board.days, fields(board)[table], strict=True)}


def test_what_a_manifest_states_is_in_the_record(lake: Path) -> None:
    rows = read_table(put("pairs", {}))
    with publish(partition("pairs"), Args()) as out:
        out.count("clicks", 10, 4, {"few_clicks": 5, "test": 1})
        out.facts |= {
            "masked": {"email": 2},
            "days_changed": {"2026-01-30": 7},
            "profile": {"query": HOSTILE},
            "drift": {"stop": 0, "warn": 1, "findings": [f'warn: field is "{HOSTILE}" now\nand more']},
            "files_set_aside": [
                {"name": HOSTILE, "bytes": 3, "reason": "cut off"},
                {"name": "b", "bytes": 1, "reason": "cut off"},
            ],
        }
        out.write_table(rows)
    expect.main(expect.Args(str(partition("pairs"))))
    found = json.loads(store.read_bytes(f"{pin(partition('pairs')).uri}/{VERDICT}"))
    assert found["accounts"] == [
        {"unit": "clicks", "rows_in": 10, "rows_out": 4, "dropped": {"few_clicks": 5, "test": 1}}
    ]
    stated = found["stated"]
    assert (stated["masked"], stated["days_changed"]) == ({"email": 2}, {"2026-01-30": 7})
    assert (stated["files"], stated["drift"]) == ({"cut off": 2}, {"stop": 0, "warn": 1})
    assert stated["findings"] == ["warn: field is … now"]
    page = (data_docs.site() / "index.html").read_text("utf-8")
    assert "onerror" not in page and "few_clicks 5, test 1" not in page  # a pass: nothing to tell
    assert "2026-01-31: of 10 clicks: few_clicks 5 (50.00%), test 1 (10.00%)" in page
    assert "2 cut off" in page


def test_the_last_day_in_a_sentence(lake: Path) -> None:
    board = faulty()
    assert sentence(board, "2026-01-31") == "10 tables passed, 1 warned (queries)"
    assert sentence(board, "2026-01-26") == (
        "2 tables passed, 1 stopped (impressions), "
        "8 missing (click_counts, query_counts, propensities, pairs, queries, qrels, embeddings, rankings)"
    )
    shown = {one.day: one for one in attention(board, {s.name: s for s in volumes(board)}, list(rates(board)))}
    assert list(shown) == sorted(shown, reverse=True)  # newest first
    for day in ("2026-01-18", "2026-01-22", "2026-01-26", "2026-01-29", "2026-01-31"):
        assert day in shown
    # empty: no partition of the day, and the task that refused it says why
    assert len(shown["2026-01-18"].missing) == 10
    assert "found 0 searches" in shown["2026-01-18"].alerts[0].text
    # tripled: against what is usual on that weekday
    (card,) = shown["2026-01-26"].cards
    assert "rows, usual" in card.numbers[0] and "+1" in card.numbers[0]
    # corrupt file: what became of its lines
    (card,) = shown["2026-01-22"].cards
    assert card.numbers[1].startswith("9,240 of 52,000 log lines dropped (17.8%): malformed 4,870")
    # late: hours after its end, and the log that brought the rest
    assert any("57.5 h" in note for note in shown["2026-01-29"].notes)
    assert titles(board, "impressions")["2026-01-29"][1].endswith("4,120 rows added by the log of 2026-01-31")


def test_the_calendar_covers_days_that_are_missing(lake: Path) -> None:
    board = Board([record("pairs", day) for day in days(10) if day not in ("2026-01-25", "2026-01-26")], {})
    assert list(board.days) == days(10)
    found = titles(board, "pairs")
    assert [day for day, (verdict, _) in found.items() if verdict == "missing"] == ["2026-01-25", "2026-01-26"]
    # a task that failed says so, and stretches the calendar to a day of which nothing stands
    said = {
        "2026-01-26": [Alert("x", "pairs_daily.pairs", True, "no")],
        "2026-02-01": [Alert("x", "t", True, "no")],
        "2027-01-01": [Alert("x", "t", True, "a day by hand")],
    }
    board = Board(board.records, said)
    assert board.days[-1] == "2026-02-01"
    found = titles(board, "pairs")
    assert [found[day][0] for day in ("2026-01-25", "2026-01-26", "2026-02-01")] == ["missing", "failed", "failed"]
    # a table of every week is not missing in between
    weekly = [record("towers", day) for day in days(15)[::7]]
    board = Board([*weekly, *(record("pairs", day) for day in days(15))], {})
    assert not any(board.is_missing("towers", day) for day in board.days)


def test_of_several_partitions_the_worst_is_shown(lake: Path) -> None:
    parts = [record("embeddings", "2026-01-31", keys={"shard": f"{n}of3"}, rows=10 + n) for n in range(3)]
    parts[1] |= {"verdict": "stop", "stops": ["norm"]}
    parts[2] |= {"verdict": "warn", "warns": ["slow"]}
    (field,) = fields(Board(parts, {}))["embeddings"]
    assert (field.verdict, field.sign, field.href) == ("stop", "×", parts[1]["data_docs"])
    assert "33 rows" in field.title and "in 3 partitions" in field.title


def test_the_calendar_goes_back_ninety_days(lake: Path) -> None:
    board = Board([record("pairs", day) for day in days(120)], {})
    assert (len(board.days), board.days[-1], board.days[0]) == (90, "2026-01-31", days(90)[0])


def test_a_band_is_that_of_the_same_weekday_without_days_that_stopped() -> None:
    rule = {"weekday": True, "days": 28, "min_days": 3, "min_ratio": 0.5, "max_ratio": 2.0}
    values = dict.fromkeys(days(29), 1.0)
    for ago, rows in ((7, 100.0), (14, 300.0), (21, 200.0), (28, 9_000.0)):
        values[days(29)[28 - ago]] = rows
    last = days(29)[-1]
    assert bands_of(values, [rule])[last] == (125.0, 500.0)  # median of 100, 200, 300, 9000 is 250
    stopped = frozenset({days(29)[0]})
    assert bands_of(values, [rule], stopped)[last] == (100.0, 400.0)  # without the 9,000: 200
    narrow = {"days": 28, "min_days": 1, "max_ratio": 150.0}  # of any day: median 1
    assert bands_of(values, [rule, narrow], stopped)[last] == (100.0, 150.0)
    assert last not in bands_of(values, [rule | {"min_days": 5}])


def test_a_chart_marks_what_is_outside_and_what_is_missing(lake: Path) -> None:
    found = {one.name: one for one in volumes(faulty())}
    drawn = line_chart(found["impressions"], days(40))
    out = [dot.title[:10] for dot in drawn.dots if dot.kind == "out"]
    assert out == ["2026-01-22", "2026-01-26"] and drawn.outside == 2
    assert [dot.title for dot in drawn.dots if dot.kind == "gap"] == ["2026-01-18: missing"]
    assert len(drawn.lines) == 2  # the line is broken there
    assert drawn.newest.startswith("2026-01-31, usual ")


def test_drops_are_shares_of_what_came_in(lake: Path) -> None:
    many = {f"reason_{n}": 10 - n for n in range(9)}
    one = record(
        "impressions",
        "2026-01-31",
        accounts=[
            account("log lines", 1_000, malformed=150, bot_rate=50),
            account("searches", 200, bot_rate=20, bot_silent=10, **many),
        ],
    )
    lines, searches, bots = drop_reasons(Board([one], {}))
    assert (list(lines.reasons), lines.shares["2026-01-31"]) == (["malformed", "bot_rate"], [0.15, 0.05])
    assert len(searches.reasons) == 8 and searches.totals["other reasons"] == 5 + 4 + 3 + 2
    assert (bots.shares["2026-01-31"], bots.totals) == ([0.1, 0.05], {"bot_rate": 20, "bot_silent": 10})
    assert lines.titles["2026-01-31"] == "2026-01-31: of 1,000 log lines: malformed 150 (15.00%), bot_rate 50 (5.00%)"
    # 86 high: three quarters from the foot, at 110, and a quarter over it
    assert [path[path.index(" ") :] for path in bar_chart(lines, ["2026-01-31"]).paths] == [
        " 45.5h22.0v64.5h-22.0z",
        " 24.0h22.0v21.5h-22.0z",
    ]


def test_nothing_that_somebody_typed_and_nothing_hostile_is_on_the_page(lake: Path) -> None:
    records, alerts = with_faults(shop(12))
    records[0]["warns"], records[0]["verdict"] = [HOSTILE], "warn"
    records[1]["accounts"] = [account(HOSTILE, 10, **{HOSTILE: 1})]
    spoken = alert("2026-01-30", "pairs", f"pairs: found {HOSTILE!r}\nsecond line")
    nameless = {**alert("2026-01-30", HOSTILE, ""), "public": None, "reason": "buty do biegania"}
    sent = {**alert("2026-01-30", "pairs", "not sent"), "channel": "smtp"}
    write(home(), records, [*alerts, spoken, nameless, sent])
    with alerts_file().open("a") as file:
        file.write('{"day": "2026-01-30"}\nno json\n{"at": 1, "day": "../x"}\n[]\n')
    page = data_docs.refresh().read_text("utf-8")
    assert not re.search(r"<(script|img|link|iframe|object|embed|base)\b|https?://|url\(|@import| style=", page)
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    assert "&lt;img src=x onerror" in page  # a rule's sentence and a reason are names: escaped
    for typed in ("TYPED", "buty do biegania", "second line", "not sent"):
        assert typed not in page
    assert "pairs: found …" in page and "its log says why" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a column 'x' of the log's", "a column … of the log's"),
        ("found 'it's \"odd\"' here", "found … here"),
        ('found "one" and "two" of 5', "found … of 5"),
        ("found 'never closed", "found …"),
        ("\n\n the days' sum\nnext", "the days' sum"),
        ("a\u202eb\x1b[31m", "a b [31m"),
        ("x" * 300, "x" * 240 + "…"),
    ],
)
def test_what_stands_in_quotation_marks_is_not_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_every_link_leads_somewhere(lake: Path) -> None:
    records, alerts = with_faults(shop(40))
    write(home(), records, alerts)
    page = data_docs.refresh()
    text = page.read_text("utf-8")
    links = re.findall(r'href="([^"]+)"', text)
    assert len(links) > 800
    for link in links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text
        else:
            assert page.parent.joinpath(link.replace("%3D", "=").replace("%2C", ",")).is_file(), link
    assert "python -m jobs replay --impressions impressions/ds=2026-01-22" in text


def test_ninety_days_are_a_light_page(lake: Path) -> None:
    records, _ = with_faults(shop(90))
    more = [
        {**one, "partition": one["partition"].replace(name, other)}
        for one in records
        for name, other in (
            ("items/", "catalogue/"),
            ("click_counts/", "log/"),
            ("query_counts/", "labels/"),
            ("late_impressions/", "simulated_truth/"),
            ("pairs/", "query_users/"),
            ("qrels/", "retention/"),
            ("queries/", "prodbert/"),
            ("propensities/", "external_runs/"),
        )
        if one["partition"].startswith(name)
    ]
    values = overview([*records, *more], {})  # type: ignore[list-item]
    assert len(values["tables"]) == 19 and len(values["days"]) == 90
    assert len(html("quality/data_docs_index.html.j2", values)) < 1_500_000


def test_a_board_without_records_is_a_page(lake: Path) -> None:
    text = html("quality/data_docs_index.html.j2", overview([], {}))
    assert "Nothing has been checked yet" in text


def test_shards_do_not_shorten_the_history_that_is_kept(lake: Path) -> None:
    records = [record("embeddings", day, keys={"shard": f"{n}of4"}) for day in days(6) for n in range(4)]
    write(home(), records, [])
    kept = data_docs._prune(3)
    assert sorted({one["partition"][14:24] for one in kept}) == days(3) and len(kept) == 12


@pytest.mark.parametrize("newer", [True, False])
def test_an_alert_of_a_day_without_verdict_reaches_the_site(lake: Path, newer: bool) -> None:
    write(home(), [record("pairs", "2026-01-30")], [])
    index = data_docs.refresh()
    alerts_file().write_text(json.dumps(alert("2026-01-31", "impressions", "found 0 searches")) + "\n")
    shift = 60 if newer else -60
    os.utime(alerts_file(), (time.time() + shift, time.time() + shift))
    data_docs.refresh_if_older()
    assert ("found 0 searches" in index.read_text("utf-8")) is newer


def test_a_run_that_failed_repeats_no_task_that_said_why(tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    said = [
        alert("2026-01-31", "impressions", "found 0 searches"),
        alert("2026-01-31", "impressions", "task_failure"),
        alert("2026-01-30", "pairs", "task_failure"),
    ]
    file.write_text("".join(json.dumps(one) + "\n" for one in said))
    shown = {day: [one.text for one in alerts] for day, alerts in read_alerts(file).items()}
    assert shown == {"2026-01-31": ["found 0 searches"], "2026-01-30": ["task_failure"]}


def test_an_mlflow_run_names_the_pages_of_its_inputs(lake: Path) -> None:
    pinned = [put("pairs", {}), put("queries", {})]
    assert quality_pages(pinned) == {}  # nobody has looked at them
    expect.main(expect.Args(str(partition("pairs"))))
    (name,) = found = quality_pages(pinned)
    assert name == "data_quality.pairs" and (home() / found[name]).is_file()


def test_hours_to_publication_are_those_of_nightly_runs(lake: Path) -> None:
    """A simulated day, and one that was imported weeks later, have none."""
    late = record("impressions", "2026-01-28", stated={"published_at": "2026-03-01T00:00:00+00:00"})
    every = [
        record("impressions", "2026-01-29", simulated=True),
        record("impressions", "2026-01-30"),
        record("impressions", "2026-01-31"),
    ]
    (hours,) = [rate for rate in rates(Board([late, *every], {})) if rate.kind == "hours"]
    assert hours.values == {"2026-01-30": pytest.approx(7 / 6), "2026-01-31": pytest.approx(7 / 6)}
    assert not [rate for rate in rates(Board([late, every[0]], {})) if rate.kind == "hours"]


def test_action_lines_of_a_bulk_file_are_no_log_lines(lake: Path) -> None:
    rows = read_table(put("impressions", {}))
    with publish(partition("impressions"), Args()) as out:
        out.count("log lines", 200, 90, {"bulk_action": 100, "malformed": 10})
        out.write_table(rows)
    expect.main(expect.Args(str(partition("impressions"))))
    found = json.loads(store.read_bytes(f"{pin(partition('impressions')).uri}/{VERDICT}"))
    assert found["accounts"] == [{"unit": "log lines", "rows_in": 100, "rows_out": 90, "dropped": {"malformed": 10}}]
    assert found["figures"]["dropped_frac log_lines"] == pytest.approx(0.1)
    # a record of an older version counted them: it is read as today's are
    older = account("log lines", 200, bulk_action=100, malformed=10)
    assert as_today(
        record("impressions", "2026-01-30", accounts=[older], figures={"dropped_frac log_lines": 0.55})
    ) == (
        record(
            "impressions",
            "2026-01-30",
            accounts=[account("log lines", 100, malformed=10)],
            figures={"dropped_frac log_lines": 0.1},
        )
    )


def test_a_single_day_is_a_number_and_not_a_chart(lake: Path) -> None:
    one = record("impressions", "2026-01-31", accounts=[account("log lines", 100, malformed=10)])
    page = html("quality/data_docs_index.html.j2", overview([one], {}))
    assert "2026-01-31, the only day so far" in page and "One day of history: charts begin with the second." in page
    assert "2026-01-31: of 100 log lines: malformed 10 (10.00%)" in page
    assert "<svg" not in page
    assert "<svg" in html("quality/data_docs_index.html.j2", overview([one, record("impressions", "2026-01-30")], {}))

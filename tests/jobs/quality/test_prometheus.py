"""The figures for Prometheus: of the newest day, escaped, from manifests alone, each reader by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.__main__ import main
from jobs.lake.alias import CHAMPION, move_alias
from jobs.lake.manifest import MANIFEST, VERDICT, Accounting
from jobs.lake.partitions import IMPRESSIONS, INDEX, ITEMS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.quality.prometheus import text_format

TYPED = "buty pikachu jana.kowalska@example.com"
LINE = re.compile(r'(nightshelf_\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)')


@dataclass(frozen=True)
class Args:
    """to  output"""

    to: Partition
    typed: str = TYPED


def made(to: Partition, verdict: str = "", *accounts: Accounting) -> Pinned:
    with publish(to, Args(to)) as out:
        (out.folder / "data.txt").write_text(TYPED, encoding="utf-8")
        out.facts["example"] = TYPED
        for account in accounts:
            out.count(account.unit, account.rows_in, account.rows_out, account.dropped)
    if verdict:
        text = json.dumps({"verdict": verdict, "stops": [TYPED], "warns": []})
        (Path(pin(to).uri) / VERDICT).write_text(text, encoding="utf-8")
    return pin(to, even_stopped=True)


@pytest.fixture
def printed(lake: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, float]]:
    """The figures of a lake with two days, a champion and a journal."""
    lines = Accounting("log lines", rows_in=200, rows_out=150, dropped={"bot_rate": 40, "blank": 8, "no_query": 2})
    made(IMPRESSIONS.at(ds="2026-01-30"), "stop")
    made(IMPRESSIONS.at(ds="2026-01-31"), "warn", lines)
    made(ITEMS.at(ds="2026-01-31"))
    move_alias(CHAMPION, made(INDEX.at(ds="2026-01-31", space="7f3a5c1e9b2d4a60")))
    damaged = made(Partition.parse("pairs/ds=2026-01-31"), "stop")
    (Path(damaged.uri) / MANIFEST).write_text("{", encoding="utf-8")
    journal = lake.parent / "var" / "mlflow_journal"
    journal.mkdir()
    (journal / "2026-01-31T000000.0-abc.jsonl").write_text(TYPED, encoding="utf-8")
    main(["metrics"])
    text = capsys.readouterr().out
    assert text.endswith("\n") and TYPED.split()[1] not in text
    found = [LINE.fullmatch(line) for line in text.splitlines() if line[0] != "#"]
    assert all(found)
    yield {f"{line[1]} {line[2] or ''}".strip(): float(line[3]) for line in found if line}


def test_the_newest_day_decides_and_no_typed_text_is_printed(printed: dict[str, float]) -> None:
    age = printed.pop('nightshelf_alias_age_seconds alias="search/champion"')
    assert 0 <= age < 600
    assert printed == {
        'nightshelf_table_day_timestamp_seconds table="impressions"': 1769817600.0,
        'nightshelf_table_day_timestamp_seconds table="items"': 1769817600.0,
        'nightshelf_table_rows table="impressions"': 0.0,
        'nightshelf_table_rows table="items"': 0.0,
        # 42 of the 192 lines that hold a record: blank ones are no loss
        'nightshelf_table_dropped_ratio table="impressions",unit="log_lines"': 42 / 192,
        'nightshelf_table_verdict table="impressions"': 1.0,  # items were not judged
        "nightshelf_mlflow_journal_bytes": float(len(TYPED)),
        "nightshelf_unreadable": 1.0,  # pairs, whose manifest is damaged
    }


def test_a_label_is_escaped() -> None:
    text = text_format([("table_rows", {"table": 'a"b\\c\nd'}, 3)])
    assert 'nightshelf_table_rows{table="a\\"b\\\\c\\nd"} 3\n' in text


def test_an_empty_lake_has_figures_too(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["metrics"])
    values = [line for line in capsys.readouterr().out.splitlines() if line[0] != "#"]
    assert values == ["nightshelf_mlflow_journal_bytes 0", "nightshelf_unreadable 0"]

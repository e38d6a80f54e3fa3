"""jobs.quality.expect: the verdict beside the data, who may read on, and a site that shows nothing of what people typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from jobs.lake import read as reading
from jobs.lake import storage as store
from jobs.lake.manifest import VERDICT
from jobs.lake.partitions import PAIRS
from jobs.lake.publish import publish
from jobs.platform.cli import parse
from jobs.quality import expect
from jobs.quality.data_docs import site
from jobs.quality.rules import RULES
from tests.jobs.quality.suite_cases import partition, put

HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Args:
    """A job of the test's own, downstream of pairs."""

    note: str = ""


def run(*tables: str) -> dict[str, object]:
    return expect.main(expect.Args(",".join(str(partition(table)) for table in tables)))


def verdict(table: str) -> dict[str, object]:
    pinned = reading.pin(partition(table), even_stopped=True)
    return json.loads(store.read_bytes(f"{pinned.uri}/{VERDICT}"))


def html() -> dict[str, str]:
    return {str(path.relative_to(site())): path.read_text("utf-8") for path in site().rglob("*.html")}


def test_a_pass_is_written_beside_the_data(lake: Path) -> None:
    pinned = put("pairs", {})
    result = run("pairs")
    assert result["verdicts"] == {"pairs/ds=2026-01-31": "pass"}
    found = verdict("pairs")
    assert (found["verdict"], found["stops"], found["warns"]) == ("pass", [], [])
    assert found["manifest_sha256"] == pinned.manifest_sha256
    assert found["rows"] == 4
    assert len(found["suite_sha256"]) == 64
    assert (site() / found["data_docs"]).is_file()


def test_a_stop_names_everything_and_nobody_downstream_reads(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("pairs", {"row": {"weight": 0.0}})
    put("queries", {})
    with pytest.raises(RuntimeError) as error:
        run("pairs", "queries")
    text = str(error.value)
    assert "pairs/ds=2026-01-31: weight is above 0 and finite" in text  # partition, expectation
    assert "[expect_column_values_to_be_between]: found 1 of 4 rows otherwise" in text  # found
    assert "a zero weight silently drops the pair from the loss" in text  # why
    assert verdict("queries")["verdict"] == "pass"  # checked all the same
    # a downstream job: it pins its input first, so it publishes nothing
    target = PAIRS.at(ds="2026-02-01")
    with (
        pytest.raises(RuntimeError, match=r"stopped by its data-quality verdict \(weight is above"),
        publish(target, Args(), inputs=[reading.pin(partition("pairs"))]),
    ):
        pass
    assert not reading.exists(target)
    # mended: a new version carries no verdict yet, then its own
    put("pairs", {})
    assert reading.read_table(reading.pin(partition("pairs"))).num_rows == 4
    assert run("pairs")["verdicts"] == {"pairs/ds=2026-01-31": "pass"}
    assert reading.pin(partition("pairs")).manifest.rows == 4


def test_a_warning_lets_readers_through(lake: Path) -> None:
    put("pairs", {"every": {"weight": 101.0}})
    assert run("pairs")["verdicts"] == {"pairs/ds=2026-01-31": "warn"}
    found = verdict("pairs")
    assert found["stops"] == []
    assert found["warns"][0].startswith("mean weight is at most 100")
    assert "found 101;" in found["warns"][0]
    assert reading.read_table(reading.pin(partition("pairs"))).num_rows == 4


def test_columns_that_are_not_the_tables_stop_and_are_named(lake: Path) -> None:
    put("pairs", {"without": "weight"})
    with pytest.raises(RuntimeError) as error:
        run("pairs")
    first = verdict("pairs")["stops"][0]
    assert first in str(error.value)
    assert first.startswith("columns and types are query_id STRING, item_id STRING, clicks INT")
    assert (
        "found query_id STRING, item_id STRING, clicks INT, carts INT, purchases INT, impressions INT, last_day DATE"
        in first
    )


def test_nothing_that_somebody_typed_reaches_the_site_or_the_verdict(lake: Path) -> None:
    put("queries", {"row": {"query": HOSTILE.upper(), "segment": HOSTILE, "split": HOSTILE, "query_id": HOSTILE}})
    put("items", {"row": {"item_id": HOSTILE, "title": HOSTILE, "brand": HOSTILE, "content_hash": HOSTILE, "text": ""}})
    put("qrels", {"row": {"source": HOSTILE, "split": HOSTILE}, "again": {"relevance": 1.0}})
    with pytest.raises(RuntimeError) as error:
        run("queries", "items", "qrels")
    written = {
        path: path.read_bytes().decode("utf-8", "replace") for path in site().parent.rglob("*") if path.is_file()
    }
    assert len([path for path in written if path.suffix == ".html"]) == 7  # index, suites, results
    for path, text in [*written.items(), ("error", str(error.value))]:
        assert "alert(1)" not in text.lower(), path
        assert "buty do biegania" not in text, path
    for table in ("queries", "items", "qrels"):
        assert "alert(1)" not in json.dumps(verdict(table)).lower()


def test_hostile_column_names_are_escaped(lake: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with publish(partition("qrels"), Args()) as out:
        pq.write_table(pa.table({HOSTILE: [1]}), out.folder / "part-00000.parquet")
    with pytest.raises(RuntimeError):
        run("qrels")
    pages = html()
    assert sum("&lt;script&gt;alert(1)" in text for text in pages.values()) == 2  # index and result
    assert not any("<script" in text for text in pages.values())


def test_every_page_loads_nothing_from_anywhere(lake: Path) -> None:
    put("pairs", {})
    put("embeddings", {})
    run("pairs", "embeddings")
    pages = html()
    assert len(pages) == 5
    for name, text in pages.items():
        assert 'Content-Security-Policy" content="default-src &#39;none&#39;; style-src' in text, name
        assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b|@import|url\(|https?://", text), name
        for link in re.findall(r'href="([^"#]+)"', text):
            assert (site() / name).parent.joinpath(unquote(link)).resolve().is_file(), (name, link)
    assert not (site() / "static").exists()


def test_the_site_forgets_old_results(lake: Path) -> None:
    for _ in range(2):  # the second version replaces the first one's page
        put("pairs", {})
        run("pairs")
    assert len(list(site().glob("validations/pairs/*/*.html"))) == 1
    put("queries", {})
    for day in ("2026-01-30", "2026-01-29"):
        with publish(PAIRS.at(ds=day), Args()) as out:
            out.write_table(reading.read_table(reading.pin(partition("pairs"))))
    every = ["pairs/ds=2026-01-31", "pairs/ds=2026-01-30", "pairs/ds=2026-01-29", "queries/ds=2026-01-31"]
    with pytest.raises(RuntimeError, match="the last click is not after the window"):
        expect.main(expect.Args(",".join(every), keep=2))
    pages = sorted(path.parent.name for path in site().glob("validations/pairs/*/*.html"))
    assert pages == ["ds=2026-01-30", "ds=2026-01-31"]
    kept = sorted((site().parent / "validations").rglob("*.json"))
    assert len(kept) == 3
    index = (site() / "index.html").read_text("utf-8")
    assert "pairs/ds=2026-01-29" not in index
    assert "queries/ds=2026-01-31" in index


def test_a_run_leaves_the_rules_as_they_are_and_writes_nothing_beside_them(lake: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in RULES.parent.rglob("*") if path.is_file()}

    before = state()
    put("negatives", {})
    run("negatives")
    assert state() == before


@pytest.mark.parametrize(
    ("partitions", "said"),
    [
        ("", "found none, expected at least one"),
        ("towers/ds=2026-01-31/step=star", "towers has no suite"),
        ("pairs/ds=2026-01-31,pairs/ds=31", "is not a day"),
        ("pairs/ds=../../etc", "found keys ds/../etc, expected ds"),
    ],
)
def test_partitions_are_checked_before_anything_runs(
    partitions: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(expect.Args, ["--partitions", partitions])
    assert said in capsys.readouterr().err


def test_the_command_says_what_it_must_and_no_more(lake: Path) -> None:
    put("pairs", {})
    put("queries", {"again": {}})
    words = [sys.executable, "-m", "jobs", "expect", "--partitions"]
    passed = subprocess.run([*words, str(partition("pairs"))], capture_output=True, text=True, check=True)
    assert json.loads(passed.stdout)["verdicts"] == {"pairs/ds=2026-01-31": "pass"}
    (line,) = passed.stderr.splitlines()  # no bars, no notices of libraries
    assert "pairs/ds=2026-01-31: pass, 46 expectations on 4 rows by arrow" in line
    stopped = subprocess.run([*words, str(partition("queries"))], capture_output=True, text=True, check=False)
    assert stopped.returncode == 1
    assert stopped.stdout == ""
    assert (
        "queries/ds=2026-01-31: query_id is unique [expect_column_values_to_be_unique]: found 2 of 6 rows"
        in stopped.stderr
    )
    assert "Traceback" not in stopped.stderr


def test_a_partition_without_rows_of_its_own_kind_is_a_clear_error(lake: Path) -> None:
    with publish(partition("pairs"), Args()) as out:
        (out.folder / "readme.txt").write_text("no table")
    with pytest.raises(LookupError, match="pairs/ds=2026-01-31: it lists no Parquet file"):
        run("pairs")


def test_an_unpublished_partition_is_a_clear_error(lake: Path) -> None:
    with pytest.raises(LookupError, match="pairs/ds=2026-01-31: not published"):
        run("pairs")

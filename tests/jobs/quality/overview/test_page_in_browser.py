"""Hostile texts of shoppers and sellers in a real browser: nothing of them runs, nothing is fetched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.evaluation import compare
from jobs.platform.html import environment
from jobs.quality import data_docs
from tests.jobs.evaluation.test_compare import published
from tests.jobs.quality.overview.board_days import account, alert, shop, with_faults, write

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
HOSTILE = "</title><img src=x onerror=\"document.documentElement.id='owned'\"><script>document.documentElement.id='owned'</script>"

# the same pages are checked as text in test_compare and test_serving: the browser only adds that nothing runs
pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium on PATH, and pip has none: apt-get install chromium")


def dom(page: Path, profile: Path) -> str:
    """The page's DOM once the browser has run what it would run."""
    words = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=2000",
        "--dump-dom",
        page.as_uri(),
    ]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_browser_would_run_it_if_it_were_let(tmp_path: Path) -> None:
    page = tmp_path / "bare.html"
    page.write_text(f"<!doctype html><html><head><title>x</title></head><body>{HOSTILE}</body></html>")
    assert 'id="owned"' in dom(page, tmp_path / "profile")


def test_a_hostile_segment_is_text_in_the_compare_page(lake: Path, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    given = published("2026-01-30"), published("2026-01-31", lift=0.1, hostile=HOSTILE)
    compare.main(compare.Args(*given, str(page), resamples=1_000))
    found = dom(page, tmp_path / "profile")
    assert "&lt;img src=x onerror" in found and 'id="owned"' not in found


def test_a_hostile_query_is_text_in_an_example(tmp_path: Path) -> None:
    shown = {"title": HOSTILE, "item_id": HOSTILE, "mark": "relevant", "grade": HOSTILE, "alone": True}
    example = {
        "query": HOSTILE,
        "why": HOSTILE,
        "segment": HOSTILE,
        "relevant": 1,
        "said": {"dense": HOSTILE},
        "lists": {"dense": [shown]},
    }
    page = tmp_path / "example.html"
    body = environment().get_template("evaluation/report_examples.html.j2").render(examples=[example])
    page.write_text(f"<!doctype html><html><head><title>x</title></head><body>{body}</body></html>")
    found = dom(page, tmp_path / "profile")
    assert found.count("&lt;img src=x onerror") >= 6 and 'id="owned"' not in found


def test_the_overview_of_data_quality_runs_nothing_and_is_styled(lake: Path, tmp_path: Path) -> None:
    records, alerts = with_faults(shop(14))
    records[-1] |= {"verdict": "stop", "stops": [HOSTILE]}
    records[0]["accounts"] = [account(HOSTILE, 10, **{HOSTILE: 1})]
    write(data_docs.site().parent, records, [*alerts, alert("2026-01-30", "pairs", HOSTILE)])
    page = data_docs.refresh()
    found = dom(page, tmp_path / "profile")
    assert "&lt;img src=x onerror" in found and 'id="owned"' not in found
    assert found.count("<svg") > 15 and 'class="q failed"' in found

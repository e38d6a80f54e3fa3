"""The reports' site: shows reports and Data Docs, and nothing else of this machine."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.lake.partitions import PAIRS, REPORT, SWEEP
from jobs.lake.publish import publish
from jobs.lake.read import published_partitions
from jobs.local import site
from jobs.quality import data_docs

SPACE = "7f3a5c1e9b2d4a60"


@dataclass(frozen=True)
class Args:
    """x  anything"""

    x: str = ""


@pytest.fixture
def port(lake: Path) -> Iterator[int]:
    """The site over a lake with one report and one other partition."""
    with publish(REPORT.at(ds="2026-01-31", space=SPACE), Args()) as out:
        (out.folder / "report.html").write_text("<h1>Report</h1>", encoding="utf-8")
        (out.folder / "secret.txt").write_text("no page", encoding="utf-8")
        out.facts["verdict"] = "<script>alert(1)</script>"
    with publish(SWEEP.at(ds="2026-01-31", study="r_min"), Args()) as out:
        (out.folder / "sweep.html").write_text("<h1>Curves</h1>", encoding="utf-8")
    with publish(PAIRS.at(ds="2026-01-31"), Args()) as out:
        (out.folder / "report.html").write_text("no report", encoding="utf-8")
    data_docs.site().mkdir(parents=True)
    (data_docs.site() / "index.html").write_text("docs", encoding="utf-8")
    (data_docs.site().parent / "passwords.json").write_text("secret", encoding="utf-8")
    (data_docs.site() / "link").symlink_to(data_docs.site().parent / "passwords.json")
    with serving(site.Pages) as port:
        yield port


@contextlib.contextmanager
def serving(pages: Callable[..., site.Pages]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def get(port: int, path: str, host: str = "localhost") -> tuple[int, str, str]:
    """Status, body and content policy; the path goes out as it is, dots and all."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    link.putrequest("GET", path, skip_host=True)
    link.putheader("Host", f"{host}:{port}")
    link.endheaders()
    answer = link.getresponse()
    return answer.status, answer.read().decode(), answer.getheader("Content-Security-Policy") or ""


def test_the_front_page_lists_reports_escaped(port: int) -> None:
    status, body, policy = get(port, "/")
    assert status == 200
    assert f"/report/ds=2026-01-31/space={SPACE}/report.html" in body
    assert "<script>" not in body
    assert "default-src 'self'" in policy and "frame-ancestors 'self' http://localhost:" in policy


def test_reports_and_docs_are_shown(port: int) -> None:
    assert get(port, f"/report/ds=2026-01-31/space={SPACE}/report.html")[1] == "<h1>Report</h1>"
    assert get(port, "/data_docs/index.html")[1] == get(port, "/data_docs/")[1] == "docs"


@pytest.mark.parametrize(
    "path",
    [
        "/data_docs/../passwords.json",
        "/data_docs/%2e%2e/passwords.json",
        "/data_docs/link",
        "/data_docs//etc/passwd",
        "/../../etc/passwd",
        f"/report/ds=2026-01-31/space={SPACE}/secret.txt",
        f"/report/ds=2026-01-31/space={SPACE}/../../../x/report.html",
        "/report/ds=2026-01-31/towers=../report.html",
        "/pairs/ds=2026-01-31/report.html",
        "/report.html",
        "/nothing",
    ],
)
def test_nothing_else_is_shown(port: int, path: str) -> None:
    status, body, _ = get(port, path)
    assert status == 404
    assert "secret" not in body.replace("secret.txt", "")


def test_a_page_elsewhere_cannot_read_along_under_its_own_name(port: int) -> None:
    assert get(port, "/", host="shop.example")[0] == 421


def test_in_a_container_it_answers_to_its_own_name_too(port: int) -> None:
    assert get(port, "/", host="site")[0] == 421
    with serving(partial(site.Pages, names=["localhost", "site"])) as other:
        assert [get(other, "/", host=name)[0] for name in ("localhost", "site", "127.0.0.1")] == [200, 200, 421]


def test_a_sweep_is_listed_and_shown(port: int) -> None:
    address = "/sweep/ds=2026-01-31/study=r_min"
    assert f'href="{address}/sweep.html"' in get(port, "/")[1]
    assert get(port, f"{address}/sweep.html")[:2] == (200, "<h1>Curves</h1>")
    assert get(port, f"{address}/report.html")[0] == 404


def test_what_somebody_left_in_the_lake_is_passed_over(port: int, lake: Path) -> None:
    days = lake / "report_v1"
    before = published_partitions(REPORT)
    for folder in ("ds=old", "ds=2026-02-30", "ds={{ any }}", f"ds=2026-01-31/space={SPACE}!", "tmp"):
        shutil.copytree(days / "ds=2026-01-31" / f"space={SPACE}", days / folder)
    for name in ("ds=2026-01-30", "README", "ds=2026-01-31/space=0123456789abcdef"):
        (days / name).write_text("a file, and no folder")
    assert published_partitions(REPORT) == before == [REPORT.at(ds="2026-01-31", space=SPACE)]
    assert get(port, "/")[0] == 200


def test_in_a_trial_its_own_reports_are_listed(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_TRIALS", str(tmp_path / "trial"))
    assert published_partitions(REPORT) == [] and len(published_partitions(SWEEP)) == 1
    with publish(REPORT.at(ds="2026-01-30", space=SPACE), Args()) as out:
        (out.folder / "report.html").write_text("x")
    assert [one.ds for one in published_partitions(REPORT)] == ["2026-01-30"]
    assert (tmp_path / "trial" / "report_v1").is_dir() and REPORT.root != SWEEP.root

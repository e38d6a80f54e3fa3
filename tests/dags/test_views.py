"""The pages on data quality inside Airflow: for who has logged in, and nothing but pages."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airflow.api_fastapi import app as airflow_app
from airflow.api_fastapi.core_api import security

from dags.process import ROOT
from jobs.local import site
from jobs.quality import data_docs

COOKIE = b"theme=dark; _token=good"


def plugin() -> ModuleType:
    path = ROOT / "dags" / "plugins" / "nightshelf_views.py"
    spec = importlib.util.spec_from_file_location("nightshelf_views", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Manager:
    """Knows one token, and whether its bearer may see Airflow's site."""

    def __init__(self, may: bool) -> None:
        self.may = may

    async def get_user_from_token(self, token: str) -> str:
        if token != "good":
            raise security.__dict__["InvalidTokenError"]("no")
        return "admin"

    def is_authorized_view(self, *, access_view: object, user: str) -> bool:
        return self.may and user == "admin"


def let_in(monkeypatch: pytest.MonkeyPatch, may: bool) -> None:
    for module in (airflow_app, security):
        monkeypatch.setattr(module, "get_auth_manager", lambda: Manager(may))


@pytest.fixture
def pages(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin's pages over a site with one."""
    folder = data_docs.site()
    (folder / "validations").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Data quality</h1>")
    (folder / "validations" / "ds=2026-01-31,shard=0of2.html").write_text("found")
    (folder / "verdict.json").write_text("{}")
    let_in(monkeypatch, may=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), site.Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield plugin().Pages(f"http://localhost:{server.server_address[1]}")
        server.shutdown()


def get(pages: Any, path: str, cookie: bytes = COOKIE, method: str = "GET") -> tuple[int, bytes, dict[bytes, bytes]]:
    """One request, as Airflow's app hands it to what is mounted in it."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    prefix = "/nightshelf/data-quality"
    scope = {
        "type": "http",
        "method": method,
        "path": prefix + path,
        "root_path": prefix,
        "headers": [(b"cookie", cookie)] if cookie else [],
    }
    asyncio.run(pages(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])


def test_who_has_logged_in_reads_the_pages(pages: Any) -> None:
    status, body, headers = get(pages, "/index.html")
    assert (status, body) == (200, b"<h1>Data quality</h1>")
    policy = headers[b"content-security-policy"].decode()
    # the page stands under Airflow's own address: a script in it could act as the person who reads it
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert get(pages, "/validations/ds=2026-01-31,shard=0of2.html")[:2] == (200, b"found")


@pytest.mark.parametrize("cookie", [b"", b"theme=dark", b"_token=bad", b"_token="])
def test_who_has_not_reads_nothing(pages: Any, cookie: bytes) -> None:
    for path in ("/index.html", "/nothing.html"):
        status, body, _ = get(pages, path, cookie)
        assert (status, body) == (401, b"log in to Airflow first")


def test_who_may_not_see_airflow_reads_nothing(pages: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    let_in(monkeypatch, may=False)
    assert get(pages, "/index.html")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/verdict.json",
        "/../index.html",
        "/x/../../index.html",
        "/%2e%2e/index.html",
        "//index.html",
        "/index.html?x",
        "/a\r\nX: y.html",
        "/nothing.html",
    ],
)
def test_nothing_but_pages_is_asked_for(pages: Any, path: str) -> None:
    assert get(pages, path)[0] == 404


def test_nothing_is_written_and_a_site_that_is_down_is_said(pages: Any) -> None:
    assert get(pages, "/index.html", method="POST")[0] == 404
    status, body, _ = get(plugin().Pages("http://127.0.0.1:9"), "/index.html")
    assert status == 502 and b"python -m jobs site" in body


def test_the_server_may_reach_the_site_by_another_address_than_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SITE_URL", "http://localhost:8090")
    monkeypatch.setenv("NIGHTSHELF_SITE_INSIDE_URL", "http://site:8090")
    views = plugin().NightshelfViews
    assert [each["app"].site for each in views.fastapi_apps] == ["http://site:8090"]
    assert [view["href"] for view in views.external_views if view["name"] == "Reports"] == ["http://localhost:8090/"]
    monkeypatch.delenv("NIGHTSHELF_SITE_INSIDE_URL")
    assert plugin().NightshelfViews.fastapi_apps[0]["app"].site == "http://localhost:8090"

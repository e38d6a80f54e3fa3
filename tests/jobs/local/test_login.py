"""Logins to a real API server under FAB: by a password, and through an OpenID provider whose groups give the roles."""

from __future__ import annotations

import http.cookiejar
import json
import re
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest
from oidc_provider_mock import User, run_server_in_thread

from jobs.local import up
from jobs.local.airflow_env import FAB, MANAGER, PASSWORDS, airflow, airflow_env, prepare, url
from jobs.local.webserver_config import roles_of_groups

PEOPLE = [
    User(sub="1", claims={"preferred_username": "carla", "email": "carla@shop", "groups": ["tea", "search"]}),
    User(sub="2", claims={"preferred_username": "dora", "email": "dora@shop", "groups": ["tea"]}),
    User(sub="3", claims={"preferred_username": "admin", "email": "eve@shop", "groups": ["shop"]}),
]


class Browser:
    """A person's cookies; it follows redirects, as browsers do."""

    def __init__(self) -> None:
        self.cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(self.cookies)
        self.page, self.address = "", url("airflow")

    def open(self, path: str, body: dict[str, str] | None = None) -> int:
        """Status of a page; a body is a form that is sent."""
        form = urlencode(body).encode() if body else None
        try:
            with self.opener.open(urljoin(self.address, path), form, timeout=60) as answer:
                self.page, self.address = answer.read().decode(), answer.url
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return 0  # nobody listens

    def log_in(self, name: str, password: str) -> None:
        """By FAB's form."""
        self.open(f"{url('airflow')}/auth/login/")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.page)
        assert token
        self.open(self.address, {"csrf_token": unescape(token[1]), "username": name, "password": password})

    def log_in_through(self, issuer: str, subject: str) -> None:
        """By the provider's page, which the button on FAB's page leads to."""
        self.open(f"{url('airflow')}/auth/login/sso")
        assert self.address.startswith(issuer)
        self.open(self.address, {"sub": subject})
        assert self.address.startswith(url("airflow"))

    def may(self, path: str) -> int:
        """Status of a call of Airflow's interface, with the cookie of the login alone."""
        return self.open(f"{url('airflow')}/api/v2/{path}")


def token(name: str, password: str) -> int:
    """Status of a script's login."""
    body = json.dumps({"username": name, "password": password}).encode()
    request = urllib.request.Request(f"{url('airflow')}/auth/token", body, {"Content-Type": "application/json"})
    try:
        return int(urllib.request.urlopen(request, timeout=60).status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("text", ["", "search", "search:boss", "search:op,", ":op", "search:Op"])
def test_groups_that_fab_would_pass_over_are_refused(text: str) -> None:
    assert roles_of_groups("a:b:op,c:viewer") == {"a:b": ["Op"], "c": ["Viewer"]}
    with pytest.raises(ValueError, match="NIGHTSHELF_OIDC_ROLES='.*': expected group:role"):
        roles_of_groups(text)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose accounts are FAB's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("NIGHTSHELF_HOME", folder)
        monkeypatch.setenv("NIGHTSHELF_LAKE", f"{folder}/lake")
        monkeypatch.setenv("NIGHTSHELF_AIRFLOW_PORT", str(free.getsockname()[1]))
        monkeypatch.setenv("NIGHTSHELF_AIRFLOW_USERS", "anna:viewer")
        monkeypatch.setenv(MANAGER, FAB)
        free.close()
        prepare(airflow_env())
        try:
            yield Path(folder)
        finally:
            up.stop()


def serve() -> None:
    """Start the API server, and wait for it."""
    up.launch({"api-server": airflow("api-server")}, airflow_env())
    deadline = time.monotonic() + 300
    while Browser().open("/api/v2/monitor/health") != 200:
        assert time.monotonic() < deadline, up.tail("api-server")
        time.sleep(0.5)


@pytest.mark.slow
def test_people_log_in_by_password_and_through_an_openid_provider(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = json.loads(Path(airflow_env()[PASSWORDS]).read_text("utf-8"))
    serve()
    stranger, anna, admin = Browser(), Browser(), Browser()
    stranger.log_in("anna", "anna")
    anna.log_in("anna", passwords["anna"])
    admin.log_in("admin", passwords["admin"])
    assert [who.may("dags") for who in (stranger, anna, admin)] == [401, 200, 200]
    assert [who.may("connections") for who in (stranger, anna, admin)] == [401, 403, 200]
    up.stop()

    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=PEOPLE) as server:
        issuer = f"http://localhost:{server.server_port}"
        ours = json.dumps({"redirect_uris": [f"{url('airflow')}/auth/oauth-authorized/sso"]}).encode()
        request = urllib.request.Request(f"{issuer}/oauth2/clients", ours, {"Content-Type": "application/json"})
        client = json.load(urllib.request.urlopen(request))
        monkeypatch.setenv("NIGHTSHELF_OIDC_ISSUER", issuer)
        monkeypatch.setenv("NIGHTSHELF_OIDC_CLIENT", client["client_id"])
        monkeypatch.setenv("NIGHTSHELF_OIDC_SECRET", client["client_secret"])
        monkeypatch.setenv("NIGHTSHELF_OIDC_ROLES", "search:op,shop:viewer")
        serve()
        carla, dora, eve = Browser(), Browser(), Browser()
        for browser, person in zip((carla, dora, eve), PEOPLE, strict=True):
            browser.log_in_through(issuer, person.sub)
        # an op sees connections; who is in no group that has a role sees nothing; a name gives nobody rights
        assert [who.may("dags") for who in (stranger, carla, dora, eve)] == [401, 200, 403, 200]
        assert [who.may("connections") for who in (stranger, carla, dora, eve)] == [401, 200, 403, 403]
        assert [token("anna", password) for password in (passwords["anna"], "anna", "")] == [201, 401, 400]
        assert token("carla", "carla") == 401  # has no password

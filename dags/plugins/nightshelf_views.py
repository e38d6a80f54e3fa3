"""The overview of data quality, the reports and MLflow in Airflow's menu, which stands behind its login.

Where they are, NIGHTSHELF_SITE_URL and NIGHTSHELF_MLFLOW_URL say; without them the menu stays as it is. The pages on data
quality are handed on by Airflow itself, from NIGHTSHELF_SITE_INSIDE_URL where it reaches the site by another address than
people do, and only to somebody who has logged in; they hold no script, and none would run.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import ProxyHandler, build_opener

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/nightshelf/data-quality"
PAGE = re.compile(r"/([\w=,.:+-]+/)*[\w=,:+-][\w=,.:+-]*\.html")
LIMIT_S = 10.0
# the pages may not run, load or send anything, and be framed by Airflow alone; they share its address, hence so strict
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
Message = dict[str, Any]


def views(site: str, mlflow: str, base: str = "") -> list[dict[str, str]]:
    """Menu entries: pages inside Airflow's frame, MLflow in a tab of its own. base: the path that Airflow stands under."""
    menu = {"destination": "nav", "category": "browse"}
    entries = []
    if site:
        entries += [
            {**menu, "name": "Data quality", "href": f"{base}{PREFIX}/index.html", "url_route": "data-quality"},
            {**menu, "name": "Reports", "href": f"{site}/", "url_route": "reports"},
        ]
    if mlflow:
        entries.append({**menu, "name": "MLflow", "href": mlflow})
    return entries


class Pages:
    """The Data Docs of the reports' site, for who has logged in to Airflow."""

    def __init__(self, site: str) -> None:
        self.site = site

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        status, body = await self.answer(scope)
        kind = b"text/html; charset=utf-8" if status == 200 else b"text/plain; charset=utf-8"
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Message) -> tuple[int, bytes]:
        """Status and body: 401 or 403 before anything else is looked at."""
        refused = await self.refusal(scope)
        if refused:
            return refused, b"log in to Airflow first"
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] != "GET" or not PAGE.fullmatch(path):
            return 404, b"no such page"
        return await asyncio.to_thread(self.fetch, path)

    async def refusal(self, scope: Message) -> int:
        """0, or the status with which somebody is turned away whom Airflow's auth manager does not let in."""
        # every Airflow process loads plugins, and only the API server has these
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
        from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
        from airflow.api_fastapi.core_api.security import resolve_user_from_token

        try:
            user = await resolve_user_from_token(token_of(scope, COOKIE_NAME_JWT_TOKEN))
        except (KeyError, CookieError):
            return 401
        except Exception as error:
            if not hasattr(error, "status_code"):  # anything but a refusal
                raise
            return 401
        allowed = get_auth_manager().is_authorized_view(access_view=AccessView.WEBSITE, user=user)
        return 0 if allowed else 403

    def fetch(self, path: str) -> tuple[int, bytes]:
        """A page as the site has it; no proxy stands between."""
        try:
            with build_opener(ProxyHandler({})).open(f"{self.site}/data_docs{quote(path)}", timeout=LIMIT_S) as answer:
                return 200, answer.read()
        except HTTPError as error:
            return error.code, b"no such page"
        except OSError:
            return 502, b"the reports' site does not answer: python -m jobs site"


def token_of(scope: Message, cookie: str) -> str:
    """The token of Airflow's login in a request: in a header, as scripts send it, or in its cookie.

    Raises:
        KeyError: neither.
        CookieError: cookies that are none.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    kind, _, token = headers.get(b"authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return str(token)
    return str(SimpleCookie(headers.get(b"cookie", ""))[cookie].value)


SITE = os.environ.get("NIGHTSHELF_SITE_URL", "")
INSIDE = os.environ.get("NIGHTSHELF_SITE_INSIDE_URL", "") or SITE


class NightshelfViews(AirflowPlugin):
    """The plugin that Airflow finds in its plugins folder."""

    name = "nightshelf_views"
    external_views = views(
        SITE,
        os.environ.get("NIGHTSHELF_MLFLOW_URL", ""),
        urlsplit(os.environ.get("AIRFLOW__API__BASE_URL", "")).path.rstrip("/"),
    )
    fastapi_apps = [{"app": Pages(INSIDE), "url_prefix": PREFIX, "name": "data quality"}] if SITE else []

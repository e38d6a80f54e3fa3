"""Serve reports, sweeps and Data Docs on this machine.

    python -m jobs site --port 8090

Read-only, on the loopback interface unless `listen` says otherwise, and on a port of its own: what people typed is shown
there, and no page of it may reach Airflow's login.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Collection
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from annotated_types import Interval

from jobs.evaluation.room import room_of
from jobs.lake.alias import CHAMPION
from jobs.lake.partitions import REPORT, SWEEP, Partition, Table
from jobs.lake.read import pin, published_partitions
from jobs.local.airflow_env import url
from jobs.platform.arguments import CommandArgs
from jobs.platform.html import environment
from jobs.quality import data_docs

log = logging.getLogger(__name__)
NAMES = ("localhost", "127.0.0.1")
# the only files that are served, by table: the page first
SHOWN = {"report": ("report.html", "summary.json", "summary.md", "verdict.json"), "sweep": ("sweep.html",)}


class Args(CommandArgs):
    """port    where to listen
    listen  address to listen on; 0.0.0.0 only in a container, whose engine opens the port on 127.0.0.1
    names   host names that requests may ask for, separated by commas
    """

    port: Annotated[int, Interval(ge=1024, le=65535)] = 8090
    listen: str = "127.0.0.1"
    names: str = "localhost,127.0.0.1"


def main(args: Args) -> None:
    """Serve until ended."""
    pages = partial(Pages, names=args.names.split(","))
    with ThreadingHTTPServer((args.listen, args.port), pages) as server:
        log.info("http://localhost:%d", args.port)
        server.serve_forever()


class Pages(BaseHTTPRequestHandler):
    """GET /, /data_docs/..., /report/ds=.../space=.../report.html, /sweep/...; nothing else."""

    def __init__(self, *request: Any, names: Collection[str] = NAMES) -> None:
        self.names = names
        super().__init__(*request)

    def do_GET(self) -> None:
        """Answer one request."""
        host = (self.headers["Host"] or "").partition(":")[0]
        # a foreign page that points its own host name at this machine must not read our pages
        if host not in self.names:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"unknown host", "text/plain")
            return
        try:
            body, kind = page(unquote(urlsplit(self.path).path))
        except (LookupError, ValueError, RuntimeError, OSError) as error:
            self._answer(HTTPStatus.NOT_FOUND, str(error).encode(), "text/plain; charset=utf-8")
            return
        self._answer(HTTPStatus.OK, body, kind)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        # scripts and styles of these pages only, nothing from elsewhere; framed by Airflow alone
        self.send_header(
            "Content-Security-Policy",
            "default-src 'self' data: 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
            f"frame-ancestors 'self' {url('airflow')} {url('airflow').replace('localhost', '127.0.0.1')}",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log a request, on the level of debugging."""
        log.debug(format, *args)


def page(path: str) -> tuple[bytes, str]:
    """The bytes of a path and their type.

    Raises:
        LookupError: no page has this path.
        ValueError: the path is no address of a partition.
    """
    if path == "/":
        html = (
            environment()
            .get_template("local/site.html.j2")
            .render(
                reports=rows_of(REPORT, "space"),
                sweeps=rows_of(SWEEP, "study"),
                docs=(data_docs.site() / "index.html").is_file(),
            )
        )
        return html.encode(), "text/html; charset=utf-8"
    if path.startswith("/data_docs/"):
        data_docs.refresh_if_older()
        return _docs(path.removeprefix("/data_docs/") or "index.html")
    address, _, name = path.strip("/").rpartition("/")
    partition = Partition.parse(address)
    if name not in SHOWN.get(partition.name, ()):
        raise LookupError(f"{path}: no page has this path")
    kind = {"html": "text/html", "md": "text/plain"}.get(name.rpartition(".")[2], "application/json")
    return pin(partition).path(name).read_bytes(), f"{kind}; charset=utf-8"


def _docs(name: str) -> tuple[bytes, str]:
    folder = data_docs.site().resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise LookupError(f"/data_docs/{name}: no such page; python -m jobs expect writes them")
    return file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def rows_of(table: Table, key: str) -> list[dict[str, str]]:
    """Published pages of a table, the latest day first, as the list of the front page shows them."""
    rows = []
    for partition in reversed(published_partitions(table)):
        try:
            rows.append(_row(partition, key))
        except (LookupError, RuntimeError, OSError, ValueError) as error:
            log.warning("%s: left out of the front page: %s", partition, error)
    return rows


def _row(partition: Partition, key: str) -> dict[str, str]:
    pinned = pin(partition)
    room = room_of(pinned.facts.get("alias", CHAMPION))
    return {
        "href": f"/{partition}/{SHOWN[partition.name][0]}",
        "ds": partition.ds,
        key: partition.values[key],
        "verdict": str(pinned.facts.get("verdict", "")),
        "room": room.name,
        "found": ", ".join(f"{arm} {value:.3f}" for arm, value in pinned.facts.get("headline", {}).items()),
        "measure": room.measure,
        "alerts": str(len(pinned.facts.get("alerts", ())) or ""),
        "created_at": pinned.manifest.created_at,
        "simulated": "simulated log" if pinned.manifest.simulated else "",
    }

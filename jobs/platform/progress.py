"""Progress of long work: a bar on a terminal, a log line every ten seconds elsewhere (Airflow's task log)."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LOG_EVERY_S = 10.0
log = logging.getLogger(__name__)


class Advance(Protocol):
    """Call it when n more units are done."""

    def __call__(self, n: int, note: str = "") -> None:
        """Show that n more units are done, with a note beside them."""


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Yields advance(n, note): n more units are done, note is shown beside the bar."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(what, total=total, note="")

            def show(n: int, note: str = "") -> None:
                bars.update(task, advance=n, note=note)

            yield show
        return
    started = shown = time.monotonic()
    done = 0

    def advance(n: int, note: str = "") -> None:
        nonlocal done, shown
        done += n
        now = time.monotonic()
        if now - shown >= LOG_EVERY_S:
            shown = now
            rate = done / (now - started)
            log.info("%s: %s of %s %s, %.0f/s %s", what, f"{done:,}", f"{total:,}", unit, rate, note)

    yield advance

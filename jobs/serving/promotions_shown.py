"""What a name has pointed at, as a table for people and as values for programs."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.lake.alias import Promotion, read_history, rollback_order
from jobs.lake.manifest import MANIFEST
from jobs.lake.partitions import Partition
from jobs.lake.read import attempt_uri
from jobs.lake.storage import list_files
from jobs.platform.html import printable

SHOWN = 30


def show(name: str) -> dict[str, Any]:
    """Print the history of a name on standard error; returns the same as values, newest first."""
    history = read_history(name)
    line = [event.id for event in rollback_order(history)]
    rows = [_row(event, line, history) for event in history[:SHOWN]]
    title = f"{name}: {history[0].id if history else 'points nowhere yet'}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("bundle", no_wrap=True)
    for head in ("index", "since, UTC", "items", "now", "why"):
        table.add_column(head, overflow="fold", justify="right" if head == "items" else "left")
    for number, row in enumerate(rows):
        cells = (row["index"], row["at"].replace("T", " ")[:19], f"{row['items']:,}", row["state"], row["why"])
        style = "bold green" if not number else "dim" if row["state"] == "deleted" else ""
        table.add_row(Text(row["id"], "cyan"), *(printable(cell, 200) for cell in cells), style=style)
    Console(stderr=True).print(table)
    return {"name": name, "bundles": rows}


def _row(event: Promotion, line: list[str], history: list[Promotion]) -> dict[str, Any]:
    state = "kept"
    if event.id == history[0].id:
        state = "serves"
    elif not _is_there(event):
        state = "deleted"
    elif line.index(event.id) == 1 if event.id in line else False:
        state = "previous"
    told = {"id": event.id, "index": event.partition, "at": event.at, "items": event.items}
    return {**told, "how": event.how, "why": event.why, "state": state}


def _is_there(event: Promotion) -> bool:
    uri = attempt_uri(Partition.parse(event.partition), event.attempt)
    return any(found == MANIFEST for found, _ in list_files(uri))

"""What the pages of the Data Docs have in common, and the values of their index.

Every page is one file: no script, no font, no picture, no address but those of its neighbours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from jobs.lake import TABLES, Partition

TEMPLATES = Path(__file__).resolve().parent / "templates"
WORST_FIRST = ("stop", "warn", "pass")


class Record(TypedDict):
    """`_verdict.json`, and one badge of the index."""

    partition: str
    verdict: str
    stops: list[str]
    warns: list[str]
    checks: int
    rows: int
    simulated: bool
    engine: str
    suite_sha256: str
    manifest_sha256: str
    created_at: str
    data_docs: str
    figures: dict[str, float]


def overview(records: Sequence[Record]) -> dict[str, Any]:
    """The index's values: tables in the order of the corridor, days newest first."""
    days = sorted({Partition.parse(one["partition"]).ds for one in records}, reverse=True)
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for one in sorted(records, key=lambda one: one["partition"]):
        partition = Partition.parse(one["partition"])
        whole = partition.having(shard="0of1") if "shard" in partition.values else partition
        groups.setdefault((partition.name, partition.ds, str(whole)), []).append(one)
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (table, day, _), shards in groups.items():
        cells.setdefault((table, day), []).append(_cell(shards))
    newest = sorted(records, key=lambda one: Partition.parse(one["partition"]).ds, reverse=True)
    return {
        "records": newest,
        "days": days,
        "tables": [name for name in TABLES if any(name == table for table, _ in cells)],
        "cells": cells,
        "attention": sorted(
            (one for one in newest if one["verdict"] != "pass"),
            key=lambda one: WORST_FIRST.index(one["verdict"]),
        ),
        "counts": {word: sum(one["verdict"] == word for one in records) for word in WORST_FIRST},
        "simulated": sum(one["simulated"] for one in records),
        "checked_at": max((one["created_at"] for one in records), default=""),
    }


def _cell(shards: Sequence[Record]) -> dict[str, Any]:
    """One badge for all shards of a partition: the worst verdict, the rows of all."""
    worst = min(shards, key=lambda one: WORST_FIRST.index(one["verdict"]))
    rows = sum(one["rows"] for one in shards)
    return {
        "verdict": worst["verdict"],
        "page": worst["data_docs"],
        "rows": rows,
        "shards": len(shards),
        "title": f"{worst['partition']}: {worst['verdict']}, {rows:,} rows",
    }


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = _short
    environment.filters["path"] = quote
    css = (TEMPLATES / "data_docs.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment.globals["css"] = Markup(css)
    environment.globals["csp"] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return environment


def html(template: str, values: Mapping[str, Any]) -> str:
    """A page of the site, everything escaped."""
    return _environment().get_template(template).render(values)


def _short(number: int) -> str:
    """1234567 -> 1.2M."""
    for size, mark in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{mark}"
    return str(number)

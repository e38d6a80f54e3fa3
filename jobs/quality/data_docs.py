"""Data Docs as a static site: a page for each checked version, one for each table's rules, and the overview.

Great Expectations' own pages load a dozen files from other hosts, are empty offline and print values unescaped. These pages
are one file each: no script, font, picture or address but those of their neighbours. They show counts, never a value.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from jobs.lake.locks import file_lock
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.platform.html import TEMPLATES, environment
from jobs.platform.tracking import home
from jobs.quality.overview.alerts import alerts_file, read_alerts
from jobs.quality.overview.page import overview
from jobs.quality.overview.record import WORST_FIRST, Record, as_today
from jobs.quality.rules import Rule, Rules, rules_of
from jobs.quality.run_suite import SuiteResult

STYLE = ("quality/data_docs.css", "quality/overview/quality_page.css")


def site() -> Path:
    """The folder of the site."""
    return home() / "data_docs"


def page_of(pinned: Pinned) -> str:
    """A version's page, relative to the site: always the same, so that links to it hold."""
    values = ",".join(f"{key}={value}" for key, value in pinned.partition.pairs)
    created = datetime.fromisoformat(pinned.manifest.created_at).astimezone(UTC)
    return f"validations/{pinned.partition.name}/{values}/{created:%Y%m%dT%H%M%S.%fZ}.html"


def build(results: Sequence[SuiteResult], records: Sequence[Record], keep: int) -> Path:
    """Write the pages of these results, forget old ones, and write the index. Returns the index."""
    with _locked():
        for result, record in zip(results, records, strict=True):
            name = page_of(result.pinned)
            _write(site() / name, html("quality/data_docs_result.html.j2", _result_values(result)))
            _write((home() / name).with_suffix(".json"), _json(result.gx))
            _write(_record_path(record), _json(record))
        write_rules({Partition.parse(record["partition"]).name for record in records})
        return _index(_prune(keep))


def write_rules(tables: set[str]) -> list[Path]:
    """Write the page of each table's rules."""
    paths = []
    for table in sorted(tables):
        paths.append(site() / "expectations" / f"{table}.html")
        _write(paths[-1], html("quality/data_docs_suite.html.j2", _rules_values(rules_of(table))))
    return paths


def refresh() -> Path:
    """Write the index anew, once jobs.privacy.retention took records away: pages without a record go too."""
    with _locked():
        return _index(_prune(sys.maxsize))


def refresh_if_older() -> None:
    """Write the index anew if an alert is younger: a day that failed has no verdict, only an alert."""
    index, alerts = site() / "index.html", alerts_file()
    if index.is_file() and alerts.is_file() and alerts.stat().st_mtime > index.stat().st_mtime:
        refresh()


@contextmanager
def _locked() -> Iterator[None]:
    """Tasks of one DAG run check different partitions at once; the site is written by one at a time."""
    site().mkdir(parents=True, exist_ok=True)
    with file_lock(home() / "data_docs.lock"):
        yield


def _result_values(result: SuiteResult) -> dict[str, Any]:
    """Values of a version's page: broken rules first, the worst on top."""
    rows = [
        _rule_values(finding.rule) | {"success": finding.success, "found": finding.found} for finding in result.findings
    ]
    rows.sort(key=lambda row: (row["success"], WORST_FIRST.index(row["on_fail"])))
    return {"result": result, "table": result.pinned.partition.name, "rows": rows, "raw": _json(result.gx)}


def _rules_values(rules: Rules) -> dict[str, Any]:
    return {"table": rules.table, "about": rules.about, "rows": [_rule_values(rule) for rule in rules.rules]}


def _rule_values(rule: Rule) -> dict[str, Any]:
    named = ", ".join(rule.columns or rule.figures[:1])
    return {"rule": rule.text, "column": named, "kind": rule.kind, "on_fail": rule.on_fail, "why": rule.why}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _index(kept: Sequence[Record]) -> Path:
    index = site() / "index.html"
    _write(index, html("quality/data_docs_index.html.j2", overview(kept, read_alerts(alerts_file()))))
    return index


def _record_path(record: Record) -> Path:
    partition = Partition.parse(record["partition"])
    name = ",".join(f"{key}={value}" for key, value in partition.pairs)
    return site() / "verdicts" / partition.name / f"{name}.json"


def _prune(keep: int) -> list[Record]:
    """Keep the newest `keep` days of each table, and of each partition only its last result."""
    kept: list[Record] = []
    for folder in sorted((site() / "verdicts").glob("*")):
        paths = sorted(folder.glob("*.json"), reverse=True)
        days = sorted({_day(path) for path in paths}, reverse=True)[:keep]
        for path in paths:
            if _day(path) in days:
                kept.append(as_today(json.loads(path.read_text("utf-8"))))
            else:
                path.unlink()
    pages = {site() / record["data_docs"] for record in kept}
    for root, suffix in ((site() / "validations", ".html"), (home() / "validations", ".json")):
        wanted = {root / path.relative_to(site() / "validations").with_suffix(suffix) for path in pages}
        for path in list(root.rglob(f"*{suffix}")):
            if path not in wanted:
                path.unlink()
                _remove_empty(path.parent, root)
    return kept


def _day(path: Path) -> str:
    """The day in a record's name, ds=2026-01-31,towers=....json."""
    return path.stem.partition(",")[0]


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def html(template: str, values: Mapping[str, Any]) -> str:
    """Render a page of the site, everything escaped."""
    return _pages().get_template(template).render(values)


@cache
def _pages() -> Environment:
    pages = environment()
    pages.filters["path"] = lambda address: quote(address, safe="/#")
    css = "".join((TEMPLATES / name).read_text("utf-8") for name in STYLE)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    pages.globals["css"] = Markup(css)
    pages.globals["csp"] = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return pages

"""Data Docs as a static site that needs no network and no script.

Great Expectations keeps the site; its own pages load a dozen files from elsewhere, print values unescaped and are empty
offline, so the pages come from two classes here, which great_expectations.yml names, and the index is ours.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.lake.partitions import Partition
from jobs.platform.tracking import home
from jobs.quality.data_docs_page import html
from jobs.quality.overview.alerts import alerts_file, told
from jobs.quality.overview.page import overview
from jobs.quality.overview.record import WORST_FIRST, Record

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier


class ResultPage:
    """Named in great_expectations.yml: what a page on one checked partition shows."""

    def render(self, result: ExpectationSuiteValidationResult) -> dict[str, Any]:
        """The template's values: failed expectations first, the worst on top."""
        meta: dict[str, Any] = {**result.meta}
        rows = [
            _row(one.expectation_config) | {"success": bool(one.success), "found": one.meta["found"]}
            for one in result.results
        ]
        rows.sort(key=lambda row: (row["success"], WORST_FIRST.index(row["on_fail"])))
        failed = [row["on_fail"] for row in rows if not row["success"]]
        return {
            "template": "quality/data_docs_result.html.j2",
            "partition": meta["partition"],
            "table": result.suite_name,
            "rows": rows,
            "verdict": min([*failed, "pass"], key=WORST_FIRST.index),
            "raw": _raw(result),
        }


def _raw(result: Any) -> str:
    return json.dumps(result.to_json_dict(), indent=1, ensure_ascii=False)


class SuitePage:
    """Named in great_expectations.yml: what a page on one suite shows."""

    def render(self, suite: ExpectationSuite) -> dict[str, Any]:
        """The template's values: every expectation with its reason and weight."""
        return {
            "template": "quality/data_docs_suite.html.j2",
            "table": suite.name,
            "about": suite.notes,
            "rows": [_row(one.configuration) for one in suite.expectations],
        }


class PageView:
    """Named in great_expectations.yml: a page's values as HTML, everything escaped."""

    def render(self, document: Mapping[str, Any], **_: object) -> str:
        """One page of the site."""
        return html(document["template"], document)


def _row(config: Any) -> dict[str, Any]:
    named = (
        config.kwargs.get("column")
        or config.kwargs.get("figure")
        or ", ".join(
            config.kwargs.get("column_list", ())
            or [config.kwargs[key] for key in ("column_A", "column_B") if key in config.kwargs]
        )
    )
    return {
        "rule": config.description,
        "column": named,
        "kind": config.type,
        "on_fail": config.meta["on_fail"],
        "why": config.meta["why"],
    }


def site() -> Path:
    """Where the site lies."""
    return home() / "data_docs"


def page(key: ValidationResultIdentifier) -> str:
    """The page of a validation result, relative to the site."""
    words: tuple[str, ...] = key.to_tuple()  # type: ignore[no-untyped-call]
    return "/".join(("validations", *words)) + ".html"


def build(
    context: AbstractDataContext, keys: Sequence[ValidationResultIdentifier], records: Sequence[Record], keep: int
) -> Path:
    """Write the pages of these results, forget old ones, and write the index. Returns the index.

    Raises:
        RuntimeError: Great Expectations wrote no page; it logs the reason.
    """
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier

    site().mkdir(parents=True, exist_ok=True)
    with (home() / "data_docs.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # jobs of one DAG run check different partitions at once
        suites = {ExpectationSuiteIdentifier(Partition.parse(one["partition"]).name) for one in records}
        wanted: list[Any] = [*keys, *suites]
        context.build_data_docs(resource_identifiers=wanted, build_index=False)
        shutil.rmtree(site() / "static", ignore_errors=True)  # 4 MB that our pages do not use
        for one in records:
            if not (site() / one["data_docs"]).is_file():
                raise RuntimeError(f"{one['partition']}: no page {one['data_docs']} in {site()}; see the log")
            _record_path(one).parent.mkdir(parents=True, exist_ok=True)
            _record_path(one).write_text(json.dumps(one, indent=1, ensure_ascii=False), "utf-8")
        return _index(_prune(keep))


def refresh() -> Path:
    """Write the index anew, once jobs.privacy.retention took records away: pages without a record go too."""
    with (home() / "data_docs.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _index(_prune(sys.maxsize))


def refresh_if_older() -> None:
    """The same, where an alert was written since: a day that failed has no verdict that would do it."""
    index, alerts = site() / "index.html", alerts_file()
    if index.is_file() and alerts.is_file() and alerts.stat().st_mtime > index.stat().st_mtime:
        refresh()


def _index(kept: Sequence[Record]) -> Path:
    index = site() / "index.html"
    values = overview(kept, told(alerts_file()))
    index.write_text(html("quality/data_docs_index.html.j2", values), "utf-8")
    return index


def _record_path(one: Record) -> Path:
    partition = Partition.parse(one["partition"])
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
                kept.append(json.loads(path.read_text("utf-8")))
            else:
                path.unlink()
    pages = {site() / one["data_docs"] for one in kept}
    for root, suffix in ((site() / "validations", ".html"), (home() / "validations", ".json")):
        wanted = {root / path.relative_to(site() / "validations").with_suffix(suffix) for path in pages}
        for path in list(root.rglob(f"*{suffix}")):
            if path not in wanted:
                path.unlink()
                _remove_empty(path.parent, root)
    return kept


def _day(path: Path) -> str:
    """The day that a record is named after: ds=2026-01-31,towers=....json."""
    return path.stem.partition(",")[0]


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent

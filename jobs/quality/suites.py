"""Readable rules -> Great Expectations suites.

    python -m jobs suites

Run it after a change to great_expectations/rules/*.yaml or to the columns in jobs/tables.py, and commit what it writes:
suites, validation definitions and checkpoints. The same rules give the same bytes. The data sources, one asset a table,
stand in great_expectations.yml, which is kept by hand.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

from jobs.lake.columns import COLUMNS
from jobs.platform import cli
from jobs.platform.arguments import CommandArgs
from jobs.quality.derived_columns import SCHEMA
from jobs.quality.file_schema import ddl
from jobs.quality.run_suite import PROJECT, QUIET

log = logging.getLogger(__name__)

SEVERITY = {"stop": "critical", "warn": "warning"}
Json = dict[str, Any]


class Args(CommandArgs):
    """folder  where the project is written; rules are always read from great_expectations/rules"""

    folder: str = str(PROJECT)


def main(args: Args) -> dict[str, object]:
    """Write the project's files."""
    files = project_files()
    for name, text in files.items():
        path = Path(args.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    log.info("%s: %d files written", args.folder, len(files))
    return {"folder": args.folder, "files": len(files)}


def project_files() -> dict[str, str]:
    """Name -> text of every generated file of the project."""
    tables = [name for name in COLUMNS if (PROJECT / "rules" / f"{name}.yaml").exists()]
    sources = yaml.safe_load((PROJECT / "great_expectations.yml").read_text("utf-8"))
    source = sources["fluent_datasources"]["counted"]
    found = {}
    for table in tables:
        found[f"expectations/{table}.json"] = _json(suite(table))
        found[f"validation_definitions/{table}.json"] = _json(_validation(table, source))
        found[f"checkpoints/{table}.json"] = _json(
            {
                "actions": [],
                "id": _id("checkpoint", table),
                "name": table,
                "result_format": QUIET,
                "validation_definitions": [{"id": _id("validation", table), "name": table}],
            }
        )
    return found


def suite(table: str) -> Json:
    """One table's suite; the first expectation, of columns and types, is the table's own contract."""
    text = (PROJECT / "rules" / f"{table}.yaml").read_text(encoding="utf-8")
    rules = yaml.safe_load(text)
    columns = {
        "rule": f"columns and types are {ddl(COLUMNS[table])}",
        "stop": "every reader downstream takes them for granted; a changed column is a new version of the table",
        "expect": "column_values_to_be_in_set",
        "column": SCHEMA,
        "value_set": [ddl(COLUMNS[table])],
    }
    return {
        "expectations": [_expectation(table, rule) for rule in (columns, *rules["rules"])],
        "id": _id("suite", table),
        "meta": {},
        "name": table,
        "notes": rules["about"].strip(),
    }


def _expectation(table: str, rule: Json) -> Json:
    kwargs = dict(rule)
    said, kind = str(kwargs.pop("rule")), str(kwargs.pop("expect"))
    (on_fail,) = kwargs.keys() & SEVERITY.keys()
    return {
        "description": said,
        "id": _id("expectation", f"{table}: {said}"),
        "kwargs": {name: value for name, value in kwargs.items() if name != on_fail},
        "meta": {"on_fail": on_fail, "why": kwargs[on_fail]},
        "severity": SEVERITY[on_fail],
        "type": f"expect_{kind}",
    }


def _validation(table: str, source: Json) -> Json:
    asset = source["assets"][table]
    batch = asset["batch_definitions"]["partition"]
    return {
        "data": {
            "asset": {"id": asset["id"], "name": table},
            "batch_definition": {"id": batch["id"], "name": "partition"},
            "datasource": {"id": source["id"], "name": "counted"},
        },
        "id": _id("validation", table),
        "name": table,
        "suite": {"id": _id("suite", table), "name": table},
    }


def _id(kind: str, name: str) -> str:
    """Great Expectations wants a UUID of everything; these are the same at every run."""
    return str(uuid5(NAMESPACE_URL, f"nightshelf/{kind}/{name}"))


def _json(value: Json) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    cli.run(Args, main)

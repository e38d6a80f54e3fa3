"""Parquet and NDJSON say the same, record by record and in the same order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import Pinned
from jobs.simulator import marketplace
from jobs.simulator.write_parquet import SCHEMA
from tests.jobs.simulator.simulated import APPLICATIONS, DS, records, simulated, truths

FAULTS = {
    "searches": 700,
    "delayed_frac": 0.05,
    "redelivered_frac": 0.05,
    "skew_frac": 0.1,
    "personal_frac": 0.05,
    "rare_frac": 0.05,
    "malformed_frac": 0.02,
    "late_frac": 0.02,
}
NEXT = "2026-02-01"
HITS = ("query_response_hit_ids", "query_response_object_ids")
LINE_ONLY = {"query_attributes", "object_id_field", *HITS}


@pytest.fixture
def shop(lake: Path) -> None:
    marketplace.main(marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds=DS), items=600, queries=60))


def columns(record: dict[str, Any]) -> dict[str, Any]:
    """A line's record as a row of SCHEMA."""
    at = record.get("event_attributes")
    hits = next((record[name] for name in HITS if name in record), None)
    plain = {name: record.get(name) for name in SCHEMA.names} | {"query_response_hit_ids": hits}
    plain["timestamp"] = str(record["timestamp"])
    if at:
        plain["event_attributes"] = {
            "session_id": at.get("session_id"),
            "client_id": at.get("client_id"),
            "object": {"object_id": at["object"]["object_id"]},
            "position": at.get("position", {"ordinal": None}),
            "placement": at.get("placement"),
        }
    assert record.keys() <= plain.keys() | LINE_ONLY
    return plain


def rows(log: Pinned, application: str) -> list[dict[str, Any]]:
    table = pq.read_table(log.path(f"{application}.parquet"))
    placed = "placement" in table.schema.field("event_attributes").type.names
    assert placed or table.schema.equals(SCHEMA)
    found = table.to_pylist()
    for row in found if not placed else []:
        if row["event_attributes"]:
            row["event_attributes"]["placement"] = None
    return found


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("taste", [0.0, 0.7])
def test_both_layouts_hold_the_same_records_in_the_same_order(taste: float) -> None:
    said: dict[str, list[list[dict[str, Any]]]] = {}
    counts = {}
    for layout in ("ndjson", "parquet"):
        first, told = simulated(DS, layout=layout, taste=taste, **FAULTS)
        second, truth = simulated(NEXT, layout=layout, before=f"simulated_truth/ds={DS}", taste=taste, **FAULTS)
        counts[layout] = [truths(one)[2] for one in (told, truth)]
        said[layout] = [
            [columns(record) for record in records(log, name)[0]] if layout == "ndjson" else rows(log, name)
            for log in (first, second)
            for name in APPLICATIONS
        ]
    for lines, table in zip(said["ndjson"], said["parquet"], strict=True):
        assert len(lines) > 3000
        assert lines == table
    for of_lines, of_rows in zip(*counts.values(), strict=True):
        gone = {name for name in of_lines if of_lines[name] != of_rows[name]}
        assert gone == {"malformed", "malformed_truncated", "malformed_not_object"}
        assert of_rows["malformed_truncated"] == of_rows["malformed_not_object"] == 0
        assert of_rows["malformed"] == sum(
            of_rows[f"malformed_{name}"] for name in ("no_action", "bad_timestamp", "no_user_query")
        )


@pytest.mark.usefixtures("shop")
def test_what_was_held_back_in_another_layout_is_refused() -> None:
    simulated(DS, layout="parquet", **FAULTS)
    with pytest.raises(ValueError, match="simulated_truth/ds=2026-01-31: holds shop-web.delayed_1 in another"):
        simulated(NEXT, before=f"simulated_truth/ds={DS}", **FAULTS)


@pytest.mark.usefixtures("shop")
def test_same_seed_same_parquet() -> None:
    made = [simulated(DS, layout="parquet", **FAULTS) for _ in range(2)]
    for one, other in zip(*made, strict=True):
        assert one.manifest.content_sha256 == other.manifest.content_sha256

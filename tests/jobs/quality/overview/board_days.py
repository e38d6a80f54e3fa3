"""Verdict records of a shop's days, as jobs.quality.expect writes them, with days that went wrong in known ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from jobs.lake.partitions import TABLES
from jobs.quality.overview.record import Record, Stated

ROWS = {
    "items": 48_000,
    "impressions": 80_000,
    "late_impressions": 300,
    "click_counts": 61_000,
    "query_counts": 5_200,
    "propensities": 60,
    "pairs": 24_000,
    "queries": 9_000,
    "qrels": 16_000,
    "embeddings": 24_000,
    "rankings": 54_000,
}
WEEK = (1.0, 0.95, 0.97, 1.0, 1.1, 1.35, 1.25)  # Monday to Sunday
SPACE = "0123456789abcdef"
QUIET: Stated = {
    "masked": {},
    "days_changed": {},
    "drift": {"stop": 0, "warn": 0},
    "findings": [],
    "files": {},
    "aside": 0,
    "published_at": "",
}


def days(number: int, last: str = "2026-01-31") -> list[str]:
    """So many days, the last one at the end."""
    end = date.fromisoformat(last)
    return [(end - timedelta(days=back)).isoformat() for back in reversed(range(number))]


def record(table: str, ds: str, **changes: Any) -> Record:
    """A record that passed, with changes; stated takes those of its own."""
    keys = {"ds": ds, "space": SPACE, "step": "star", "shard": "0of1"} | changes.pop("keys", {})
    partition = TABLES[table].at(**{key: keys[key] for key in TABLES[table].keys})
    rows = changes.get("rows", ROWS.get(table, 100))
    following = date.fromisoformat(ds) + timedelta(days=1)
    stated = QUIET | {"published_at": f"{following}T01:10:00+00:00"} | changes.pop("stated", {})
    name = ",".join(f"{key}={value}" for key, value in partition.pairs)
    made: dict[str, Any] = {
        "partition": str(partition),
        "verdict": "pass",
        "stops": [],
        "warns": [],
        "checks": 40,
        "rows": rows,
        "simulated": False,
        "engine": "arrow",
        "suite_sha256": "a" * 64,
        "manifest_sha256": "b" * 64,
        "created_at": f"{following}T01:12:00+00:00",
        "data_docs": f"validations/{table}/{name}/20260201T011000.000000Z/batch.html",
        "figures": {},
        "accounts": [],
        "stated": stated,
    }
    return made | changes  # type: ignore[return-value]


def shop(number: int, seed: int = 5) -> dict[tuple[str, str], Record]:
    """Days without a fault: a week's rhythm, and figures that waver a little."""
    rng = np.random.default_rng(seed)
    found = {}
    for ds in days(number):
        busy = WEEK[date.fromisoformat(ds).weekday()] * rng.normal(1, 0.02)
        for table, usual in ROWS.items():
            rows = round(
                usual
                * (
                    busy
                    if table in ("impressions", "late_impressions", "click_counts", "query_counts")
                    else rng.normal(1, 0.004)
                )
            )
            shards = ("0of2", "1of2") if table == "embeddings" else ("0of1",)
            for shard in shards:
                one = record(table, ds, rows=rows, keys={"shard": shard})
                found[(table, ds) if shard[0] == "0" else (f"{table} {shard}", ds)] = one
        found["impressions", ds] |= _log(busy, rng, ds)  # type: ignore[typeddict-item]
        found["queries", ds]["figures"] = {"mean is_tail": float(rng.normal(0.74, 0.004))}
        late = found["late_impressions", ds]
        late["accounts"] = [account("late events", late["rows"] + 40, no_search=30, said_before=10)]
        late["stated"] = late["stated"] | {
            "days_changed": {(date.fromisoformat(ds) - timedelta(days=1)).isoformat(): late["rows"]}
        }
        found["pairs", ds]["accounts"] = [account("clicks", 41_000, few_clicks=15_800, off_topic=310, test=820)]
        found["items", ds]["accounts"] = [account("catalogue rows", 48_300, no_title=120, again=180)]
    return found


def account(unit: str, rows_in: int, **dropped: int) -> Any:
    """A row account that adds up."""
    return {"unit": unit, "rows_in": rows_in, "rows_out": rows_in - sum(dropped.values()), "dropped": dropped}


def _log(busy: float, rng: np.random.Generator, ds: str) -> dict[str, Any]:
    lines, searches = round(98_000 * busy), round(9_800 * busy)

    def some(share: float, of: int) -> int:
        return round(share * of * rng.normal(1, 0.04))

    dropped = {
        "duplicate": some(0.011, lines),
        "outside_day": some(0.006, lines),
        "malformed": some(0.0011, lines),
        "bot_rate": some(0.021, lines),
        "rare_query": some(0.07, lines),
        "no_search": some(0.004, lines),
    }
    refused = {
        "bot_rate": some(0.012, searches),
        "bot_regular": some(0.006, searches),
        "bot_breadth": some(0.004, searches),
        "bot_silent": some(0.002, searches),
        "rare_query": some(0.09, searches),
        "nothing_shown": some(0.012, searches),
        "personal_data": some(0.0008, searches),
    }
    published = f"{date.fromisoformat(ds) + timedelta(days=1)}T01:{rng.integers(5, 40):02d}:00+00:00"
    return {
        "figures": {
            "mean clicked": float(rng.normal(0.071, 0.001)),
            "mean carted": float(rng.normal(0.0142, 0.0003)),
            "dropped_frac log_lines": sum(dropped.values()) / lines,
        },
        "accounts": [account("log lines", lines, **dropped), account("searches", searches, **refused)],
        "stated": QUIET
        | {
            "published_at": published,
            "aside": dropped["malformed"],
            "masked": {"email": int(rng.integers(2, 9)), "phone": int(rng.integers(3, 12))},
        },
    }


def with_faults(found: dict[tuple[str, str], Record]) -> tuple[list[Record], list[dict[str, Any]]]:
    """The shop's days, of which four went wrong; and the alerts of those days."""
    held, tripled, damaged, empty = "2026-01-29", "2026-01-26", "2026-01-22", "2026-01-18"
    for (_, ds), one in list(found.items()):
        if ds == empty and not one["partition"].startswith("items"):
            del found[_, ds]
    one = found["impressions", tripled]
    one["rows"] *= 3
    one["stops"] = [
        "rows are 30% to 300% of those of the same weekday (median of 28 days) [expect_figure_to_be_near_its_history]: found 243,000; a day delivered three times counts three times"
    ]
    one["warns"] = [
        "rows are 60% to 170% of those of the same weekday (median of 28 days) [expect_figure_to_be_near_its_history]: found 243,000; look at it"
    ]
    one["verdict"] = "stop"
    for table in (
        "click_counts",
        "query_counts",
        "propensities",
        "pairs",
        "queries",
        "qrels",
        "embeddings",
        "embeddings 1of2",
        "rankings",
    ):
        del found[table, tripled]
    one = found["impressions", damaged]
    one |= {
        "verdict": "warn",
        "rows": round(one["rows"] * 0.52),
        "warns": [
            "rows are 60% to 170% of those of the same weekday (median of 28 days) [expect_figure_to_be_near_its_history]: found 39,900; a quieter day than any of its weekday",
            "no column or type of the log drifted [expect_figure_to_be_between]: found 1; a new or renamed field may carry what another has lost",
        ],
    }
    one["accounts"][0] = account(
        "log lines", 52_000, malformed=4_870, missing_field=210, rare_query=3_600, duplicate=560
    )
    one["figures"] |= {"dropped_frac log_lines": (4_870 + 210 + 3_600 + 560) / 52_000}
    one["stated"] = one["stated"] | {
        "aside": 5_080,
        "files": {"the gzip stream ends too early": 1},
        "drift": {"stop": 0, "warn": 1},
        "findings": ["warn: shop, click: event_attributes.basket is new, in 4.1% of the records"],
    }
    for table in ("impressions", "click_counts", "query_counts", "late_impressions"):
        one = found[table, held]
        one["stated"] = one["stated"] | {"published_at": "2026-02-01T09:30:00+00:00"}
    found["late_impressions", "2026-01-31"]["stated"] = found["late_impressions", "2026-01-31"]["stated"] | {
        "days_changed": {"2026-01-29": 4_120, "2026-01-30": 380}
    }
    found["late_impressions", "2026-01-31"]["accounts"] = [account("late events", 4_560, no_search=60)]
    found["queries", "2026-01-31"] |= {
        "verdict": "warn",
        "warns": [
            "mean is_tail is near its history [expect_figure_to_be_near_its_history]: found 0.802; the head lost its searches"
        ],
        "figures": {"mean is_tail": 0.802},
    }
    alerts = [
        alert(
            empty,
            "impressions",
            "log/ds=2026-01-18: found 0 searches (lines not used: {…: 51}; used: {}), expected UBI query records made on 2026-01-18 (UTC); deliver the day again, or correct the date",
        ),
        alert(held, "wait", "log/ds=2026-01-29: not there after 12 hours; publish it and clear the task"),
        alert(
            damaged,
            "impressions",
            "log/ds=2026-01-22: part-00003.ndjson.gz set aside (81,912 bytes): the gzip stream ends too early",
            failed=False,
        ),
    ]
    return list(found.values()), alerts


def alert(day: str, task: str, public: str, failed: bool = True) -> dict[str, Any]:
    """A line of alerts.jsonl."""
    return {
        "at": f"{day}T13:05:00+00:00",
        "dag": "pairs_daily",
        "task": task,
        "day": day,
        "reason": "TYPED " + public,
        "failed": failed,
        "public": public,
    }


def write(home: Path, records: Sequence[Record], alerts: Sequence[Mapping[str, Any]]) -> None:
    """Lay them where jobs.quality.data_docs keeps them, each with a page to lead to."""
    for number, one in enumerate(records):
        page = home / "data_docs" / one["data_docs"]
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<!doctype html><title>page</title>", "utf-8")
        folder = home / "data_docs" / "verdicts" / one["partition"].partition("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        ds = one["partition"].split("/")[1]
        (folder / f"{ds},number={number}.json").write_text(json.dumps(one), "utf-8")
        suite = home / "data_docs" / "expectations" / f"{folder.name}.html"
        suite.parent.mkdir(parents=True, exist_ok=True)
        suite.write_text("<!doctype html><title>suite</title>", "utf-8")
    (home / "alerts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in alerts), "utf-8")

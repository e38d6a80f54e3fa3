"""ROOM=robots: what the rules of jobs.ingest.search_log find of simulated robots, and whom they take for one.

Each day is made and read by the real jobs; the truth says whose each search was. One JSON line for each kind: searches,
clients, and the share of both that was found (for people: wrongly). Then precision and recall over all, and what a click
farm's votes come to with and without the cap. Two days of different seeds: the rules were tuned on the first alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd

from jobs.datasets import click_counts
from jobs.ingest import impressions
from jobs.lake.partitions import (
    CATALOGUE,
    CLICK_COUNTS,
    IMPRESSIONS,
    ITEMS,
    LABELS,
    LATE_IMPRESSIONS,
    LOG,
    QUERY_COUNTS,
    SIMULATED_TRUTH,
    Partition,
)
from jobs.lake.read import pin, read_table
from jobs.platform.spark import spark_session
from jobs.simulator import marketplace, simulate

SEARCHES, BOT_FRAC = 150_000, 0.06
PEOPLE = ("person", "keen", "quiet")
# a farm's own cap stays far below this one
NO_CAP = 1_000_000


def main() -> None:
    """Two days, the second of another seed."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "NIGHTSHELF_LAKE": f"{folder}/lake",
            "NIGHTSHELF_HOME": f"{folder}/var",
            "NIGHTSHELF_WARM_SPARK": "1",
        }
        with spark_session("robots"):
            for seed, ds in ((7, "2026-01-30"), (8, "2026-01-31")):
                _day(seed, ds)


def _day(seed: int, ds: str) -> None:
    catalogue, labels, log, truth = (t.at(ds=ds) for t in (CATALOGUE, LABELS, LOG, SIMULATED_TRUTH))
    marketplace.main(marketplace.Args(catalogue, labels, items=30_000, queries=4_000, seed=seed))
    simulate.main(
        simulate.Args(labels, catalogue, log, truth, searches=SEARCHES, bot_frac=BOT_FRAC, layout="parquet", seed=seed)
    )
    shown = IMPRESSIONS.at(ds=ds)
    impressions.main(impressions.Args(log, shown, min_searchers=1))
    known = _truth(truth)
    kept = read_table(pin(shown), ["search_id"]).column(0).unique().to_pylist()
    known["found"] = ~known["search_id"].isin(kept)
    for kind, rows in known.groupby("kind"):
        clients = rows.groupby("client_id")["found"].any()
        _say(f"day {ds}: {kind}", len(rows), rows["found"].mean(), len(clients), clients.mean())
    robot = ~known["kind"].isin(PEOPLE)
    _tell(
        {
            "name": f"day {ds}: all robots",
            "recall_of_searches": known.loc[robot, "found"].mean(),
            "precision_of_searches": robot[known["found"]].mean(),
            "recall_without_farms": known.loc[robot & (known["kind"] != "farm"), "found"].mean(),
        }
    )
    _farms(ds, known)


def _truth(truth: Partition) -> pd.DataFrame:
    path = pin(truth).path("searches.parquet")
    frame = pd.read_parquet(Path(path), columns=["search_id", "client_id", "kind", "results", "target"])
    return frame[frame["results"] > 0]


def _farms(ds: str, known: pd.DataFrame) -> None:
    """Votes on the farms' items by all people and farms together, with the cap and without."""
    targets = known.loc[known["kind"] == "farm", "target"].unique()
    items = ITEMS.at(ds=ds)
    from jobs.ingest import items as items_job

    items_job.main(items_job.Args(CATALOGUE.at(ds=ds), items))
    votes = {}
    for cap in (click_counts.Args.max_item_votes, NO_CAP):
        out = CLICK_COUNTS.at(ds=ds)
        click_counts.main(
            click_counts.Args(
                IMPRESSIONS.at(ds=ds), LATE_IMPRESSIONS.at(ds=ds), items, out, QUERY_COUNTS.at(ds=ds), cap
            )
        )
        rows = read_table(pin(out), ["item_id", "clicks"]).to_pandas()
        votes[cap] = int(rows.loc[rows["item_id"].isin(targets), "clicks"].sum())
    clicks = read_table(pin(IMPRESSIONS.at(ds=ds)), ["item_id", "is_click"]).to_pandas()
    _tell(
        {
            "name": f"day {ds}: clicks on items that farms push",
            "items": len(targets),
            "clicks": int(clicks.loc[clicks["item_id"].isin(targets), "is_click"].sum()),
            "votes_capped": votes[click_counts.Args.max_item_votes],
            "votes_uncapped": votes[NO_CAP],
        }
    )


def _say(name: str, searches: int, found: float, clients: int, of_clients: float) -> None:
    _tell({"name": name, "searches": searches, "found": found, "clients": clients, "clients_found": of_clients})


def _tell(line: dict[str, object]) -> None:
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in line.items()}
    sys.stdout.write(json.dumps(rounded) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

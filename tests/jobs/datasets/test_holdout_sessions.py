"""holdout_sessions: what is predicted lies after what is learnt, and the report's measures judge it as plain code does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.datasets import holdout_sessions
from jobs.datasets.judgements import judged_queries, relevance_scale
from jobs.evaluation.measures import evaluate
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import HOLDOUT_QRELS, HOLDOUT_QUERIES, HOLDOUT_SESSIONS, SESSION_EVENTS
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from tests.conftest import Delivery
from tests.session_models import popularity, rr_at_25

DS, DAYS = "2026-01-31", 10
OUT = HOLDOUT_SESSIONS.at(ds=DS)


def publish_events(rng: np.random.Generator, sessions: int) -> dict[str, list[str]]:
    """Ten days of sessions; the items of each, in order."""
    made: dict[str, list[str]] = {}
    for back in range(DAYS):
        day = datetime(2026, 1, 31, 12, tzinfo=UTC) - timedelta(days=back)
        rows: list[dict[str, Any]] = []
        for number in range(sessions):
            name = f"s{back}-{number}"
            made[name] = [f"i{item}" for item in rng.zipf(1.5, rng.integers(1, 6)) % 40]
            rows += [
                {
                    "session_id": name,
                    "ordinal": place,
                    "client_id": f"c{number % 17}",
                    "item_id": item,
                    "action": "click",
                    "occurred_at": day + timedelta(seconds=place),
                    "placement": "search",
                    "day": day.date(),
                }
                for place, item in enumerate(made[name], 1)
            ]
        at = SESSION_EVENTS.at(ds=f"{day:%Y-%m-%d}")
        with publish(at, Delivery(at)) as out:
            out.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(SESSION_EVENTS)))
    return {name: steps(items) for name, items in made.items()}


def steps(items: Sequence[str]) -> list[str]:
    return [item for place, item in enumerate(items) if not place or items[place - 1] != item]


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_held_out_sessions_are_judged_as_by_plain_code(lake: Path) -> None:
    sessions = publish_events(np.random.default_rng(3), 60)
    settings: dict[str, Any] = {"window_days": DAYS, "max_given": 3}
    holdout_sessions.main(
        holdout_sessions.Args(SESSION_EVENTS.at(ds=DS), OUT, holdout_days=4, split_by="client", **settings)
    )
    rows = read_table(pin(OUT)).to_pandas()
    kept = {name: items for name, items in sessions.items() if len(items) > 1}
    assert {row.session_id: [*row.given, row.target] for row in rows.itertuples()} == {
        name: items[-4:] for name, items in kept.items()
    }
    (account,) = pin(OUT).manifest.accounting
    assert account.dropped == {"one_item": len(sessions) - len(kept)}
    # the last four days alone are judged, and a client is on one side
    late = {name for name in kept if int(name[1 : name.index("-")]) < 4}
    assert set(rows.loc[rows["split"] != "train", "session_id"]) == late
    judged = rows[rows["split"] != "train"]
    assert judged.groupby("client_id")["split"].nunique().max() == 1 and judged["split"].nunique() == 2
    # the same as queries and qrels
    queries, qrels = pin(HOLDOUT_QUERIES.at(ds=DS)), pin(HOLDOUT_QRELS.at(ds=DS))
    test = rows[rows["split"] == "test"]
    texts = dict(zip(test["query_id"], test["given"].map(" ".join), strict=True))
    asked = judged_queries(queries, qrels, "test").to_pylist()
    assert {row["query_id"]: row["query"] for row in asked} == texts
    # popularity, ranked over these queries and judged by the report's code, against a plain loop
    model = popularity([items for name, items in kept.items() if name not in late])
    ranked = [
        {"arm": "popularity", "query_id": row.query_id, "item_id": item, "rank": rank, "score": 1.0 / rank}
        for row in test.itertuples()
        for rank, item in enumerate([each for each in model("") if each != row.given[-1]][:25], 1)
    ]
    judgements = read_table(qrels, where=pc.field("split") == "test")
    measures = ("RR@25", "Success@5")
    found = evaluate(pa.Table.from_pylist(ranked), judgements, *relevance_scale(qrels, 0.0), 25, measures)
    pairs = [(row.given[-1], row.target) for row in test.itertuples()]
    assert found.means["popularity"]["RR@25"] == pytest.approx(rr_at_25(model, pairs))
    hits = [target in [each for each in model("") if each != given][:5] for given, target in pairs]
    assert found.means["popularity"]["Success@5"] == pytest.approx(np.mean(hits))
    # without a time split the hash decides alone, for the session
    holdout_sessions.main(holdout_sessions.Args(SESSION_EVENTS.at(ds=DS), OUT, **settings))
    by_hash = read_table(pin(OUT)).to_pandas()
    assert by_hash.groupby("client_id")["split"].nunique().max() > 1
    assert {"train", "test"} <= set(by_hash.loc[~by_hash["session_id"].isin(late), "split"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actions": "click,look"}, r"actions: found \['look'\], expected some of view, click, cart, purchase"),
        ({"actions": ""}, "actions: found none"),
        ({"holdout_days": 28}, "holdout_days=28, window_days=28: expected fewer days held out than read"),
    ],
)
def test_settings_that_hold_nothing_out_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        holdout_sessions.Args(SESSION_EVENTS.at(ds=DS), OUT, **settings)

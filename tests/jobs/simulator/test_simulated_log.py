"""Two rooms that never met agree: what the simulation planted is what `impressions` finds."""

from pathlib import Path

import pytest

from jobs.ingest import impressions
from jobs.lake.partitions import CATALOGUE, IMPRESSIONS, LABELS, LOG, SIMULATED_TRUTH
from jobs.lake.read import pin, read_table
from jobs.simulator import marketplace, simulate
from tests.jobs.simulator.simulated import truths

DS = "2026-01-31"


@pytest.mark.spark
@pytest.mark.parametrize("layout", ["ndjson", "parquet"])
def test_impressions_finds_every_planted_fault(lake: Path, layout: str) -> None:
    catalogue, labels, log, truth = (table.at(ds=DS) for table in (CATALOGUE, LABELS, LOG, SIMULATED_TRUTH))
    marketplace.main(marketplace.Args(catalogue, labels, items=1500, queries=200))
    rates = {"duplicate_frac": 0.03, "late_frac": 0.02, "malformed_frac": 0.01, "bot_frac": 0.4}
    simulate.main(simulate.Args(labels, catalogue, log, truth, searches=800, layout=layout, **rates))  # type: ignore[arg-type]
    impressions.main(impressions.Args(log, IMPRESSIONS.at(ds=DS), min_searchers=1))
    events, _, planted = truths(pin(truth))
    published = pin(IMPRESSIONS.at(ds=DS))
    of_lines, of_searches = published.manifest.accounting
    found = of_lines.dropped
    # a line of a search that is not kept is not counted twice
    kept = set(read_table(published, ["search_id"])["search_id"].to_pylist())
    repeated = events[events["is_duplicate"] & ~events["is_late"]]
    twice = repeated["search_id"].isin(kept).sum()
    # a record that lost its text repeats the record of its search, wherever that one stays
    assert 0 < twice <= found["duplicate"] <= twice + planted["malformed_no_user_query"]
    assert found["outside_day"] == planted["late"]
    assert found.get("malformed", 0) == planted["malformed_truncated"] + planted["malformed_not_object"]
    assert found["missing_field"] == planted["malformed_no_action"]
    assert found["bad_timestamp"] == planted["malformed_bad_timestamp"]
    assert of_searches.rows_in == planted["searches"]
    # those that are neither fast nor click everything go through
    fast = planted["burst_clicks_searches"] + planted["burst_silent_searches"]
    assert all(reason.startswith("bot_") for reason in of_searches.dropped)
    assert fast <= sum(of_searches.dropped.values()) <= planted["bot_searches"]

"""A day that comes after later ones: those that were made without it are named."""

from __future__ import annotations

from pathlib import Path

from jobs.ingest.impressions import Args, _to_make_again
from jobs.ingest.late_events import made_without
from jobs.lake.partitions import IMPRESSIONS, LATE_IMPRESSIONS, LOG, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from tests.conftest import Delivery


def made(at: Partition, *inputs: Pinned) -> Pinned:
    with publish(at, Delivery(at), inputs) as out:
        (out.folder / "x").write_text("x")
    return pin(at)


def test_days_that_were_made_without_an_earlier_one_are_named(lake: Path) -> None:
    day = IMPRESSIONS.at(ds="2026-01-28")
    before = made(IMPRESSIONS.at(ds="2026-01-27"))
    made(LATE_IMPRESSIONS.at(ds="2026-01-29"), before)
    made(LATE_IMPRESSIONS.at(ds="2026-02-01"), before)  # its log changes three days back at most
    made(LATE_IMPRESSIONS.at(ds="2026-01-27"))
    assert made_without(day, 3) == ["2026-01-29"]
    made(LATE_IMPRESSIONS.at(ds="2026-01-31"), before)
    (alert,) = _to_make_again(Args(LOG.at(ds="2026-01-28"), day))
    assert "2026-01-29, 2026-01-31 were made before it" in alert
    assert "--from-date 2026-01-29 --to-date 2026-01-31" in alert
    there = made(day)
    for ds in ("2026-01-29", "2026-01-31"):
        made(LATE_IMPRESSIONS.at(ds=ds), before, there)
    assert _to_make_again(Args(LOG.at(ds="2026-01-28"), day)) == []
    assert made_without(day, 0) == []

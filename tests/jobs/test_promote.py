"""Promotion of past days: a backfill never puts yesterday's catalogue back into service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.lake import INDEX, NOWHERE, REPORT, Partition
from jobs.pointer import read_pointer, write_pointer
from jobs.promote import Args, main
from jobs.publish import publish
from jobs.reading import pin

SPACE = "7f3a7f3a7f3a7f3a"


@dataclass(frozen=True)
class Made:
    """partition  output"""

    partition: Partition = NOWHERE


def make(partition: Partition, **facts: object) -> None:
    with publish(partition, Made(partition)) as out:
        (out.folder / "file.json").write_text("{}")
        out.facts.update(facts)


def test_a_past_day_that_passes_its_gate_is_not_promoted_over_a_later_one(lake: Path) -> None:
    served = INDEX.at(ds="2026-01-31", towers=SPACE)
    make(served)
    write_pointer("champion", pin(served))
    past = REPORT.at(ds="2026-01-30", towers=SPACE)
    make(past, verdict="pass", reasons=[], champion={})
    found = main(Args(report=past))
    assert found["promoted"] is False
    assert "later day" in found["reasons"][0]
    assert read_pointer("champion").partition == served

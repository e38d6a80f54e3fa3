"""ROOM=gate: regressions and improvements planted in the values of a real report, and what the gate says of each.

    NIGHTSHELF_LAKE=... python -m tests.benchmarks.gate --report report/ds=2026-01-31/space=7f3a5c1e9b2d4a60

The champion is the report's own index, as it was measured; the challenger is the same with something planted. Damage to
a bundle's files (lost items, shuffled ids, swapped towers) is planted in real bundles by tests/jobs/test_serving.py.
Without --report a made-up one of 600 queries stands in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from jobs.evaluation.room import SEARCH
from jobs.lake.arrow import numbers, strings, where
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from models.evaluation.gate import Evidence, GateLimits, Mask, judge

ARMS, MEASURES = ("served", *SEARCH.gate_arms), SEARCH.gate_measures
Values = dict[str, dict[str, np.ndarray]]
Segments = dict[str, Mask]


def real(report: Partition) -> tuple[Values, Segments]:
    """Values of each query, and the segments, as a report has published them."""
    pinned = pin(report, even_stopped=True)
    rows = pq.read_table(pinned.path("measures.parquet")).sort_by("query_id")
    values = {
        arm: {name: numbers(where(where(rows, "arm", arm), "measure", name), "value") for name in MEASURES}
        for arm in ARMS
    }
    ids = sorted(set(strings(rows, "query_id")))
    row_of = {name: row for row, name in enumerate(ids)}
    segments: Segments = {}
    for one in pq.read_table(pinned.path("segments.parquet")).to_pylist():
        mask = segments.setdefault(f"{one['group']}: {one['segment']}", np.zeros(len(ids), np.bool_))
        mask[row_of[one["query_id"]]] = True
    return values, segments


def made_up() -> tuple[Values, Segments]:
    """600 queries, and ten segments that cut through them."""
    rng = np.random.default_rng(0)
    values = {arm: {name: rng.choice([0.0, 0.3, 0.6, 1.0], 600) for name in MEASURES} for arm in ARMS}
    return values, {f"made up: {n}": rng.random(600) < 0.15 + 0.05 * n for n in range(10)}


def paid_back(found: np.ndarray, rows: Mask) -> np.ndarray:
    """Nothing is found in a segment, and as much more elsewhere."""
    return np.where(rows, 0.0, found + found[rows].sum() / (~rows).sum())


def planted(values: Values, segments: Segments, limits: GateLimits) -> dict[str, Callable[[Evidence], Evidence]]:
    """Name -> what it does to the evidence of the challenger."""
    large = [name for name, rows in segments.items() if rows.sum() >= limits.min_support]
    smallest = min(large, key=lambda name: int(segments[name].sum()))
    rows = segments[smallest]
    rng = np.random.default_rng(1)
    quarter = rng.random(len(rows)) < 0.25

    def moved(by: float, arms: tuple[str, ...] = ARMS) -> Callable[[Evidence], Evidence]:
        return lambda one: replace(
            one,
            values={
                arm: {name: (found + by).clip(0, 1) if arm in arms else found for name, found in some.items()}
                for arm, some in values.items()
            },
        )

    def lost(share: float, where_rows: Mask) -> Callable[[Evidence], Evidence]:
        gone = where_rows & (rng.random(len(where_rows)) < share)
        return lambda one: replace(
            one,
            values={
                arm: {name: np.where(gone, 0.0, found) for name, found in some.items()} for arm, some in values.items()
            },
        )

    def shuffled(one: Evidence) -> Evidence:
        order = rng.permutation(len(rows))
        return replace(
            one,
            canaries_frac=1 / one.items,
            values={arm: {name: found[order] * 0.02 for name, found in some.items()} for arm, some in values.items()},
        )

    return {
        "nothing": lambda one: one,
        "improvement: half of what was missed in the first 60 is found": lambda one: replace(
            one,
            values={
                arm: {name: found + (1 - found) / 2 for name, found in some.items()} for arm, some in values.items()
            },
        ),
        "improvement of one point": moved(0.01),
        "loss of half a point": moved(-0.005),
        "loss of two points": moved(-0.02),
        "loss of two points in dense alone": moved(-0.02, ("dense",)),
        f"a broken segment ({smallest}, {int(rows.sum())} queries): nothing found": lost(1.0, rows),
        "the same for half of its queries": lost(0.5, rows),
        "a quarter of the segment's queries find nothing, paid back by the others": lambda one: replace(
            one,
            values={
                arm: {name: paid_back(found, rows & quarter) for name, found in some.items()}
                for arm, some in values.items()
            },
        ),
        "a broken segment, paid back by the others: no mean tells": lambda one: replace(
            one,
            values={
                arm: {name: paid_back(found, rows) for name, found in some.items()} for arm, some in values.items()
            },
        ),
        "one query in fifty finds nothing": lost(0.02, np.ones(len(rows), np.bool_)),
        "shuffled ids": shuffled,
        "swapped towers": lambda one: replace(one, index_space_id="f" * 16),
        "an index with lost items": lambda one: replace(one, indexed=one.items - 30, lost_items=30),
        "one inverted list is searched": lambda one: replace(one, index_recall=0.41),
        "a catalogue that lost a seventh": lambda one: replace(
            one, items=one.items * 6 // 7, indexed=one.items * 6 // 7
        ),
        "search takes three times as long": lambda one: replace(one, p99_ms=3 * one.p99_ms),
        "an item takes twice the memory": lambda one: replace(one, bytes=2 * one.bytes),
        "an input that its quality check stopped": lambda one: replace(one, data={"pairs": "stop"}),
        "other judgements": lambda one: replace(one, qrels_digest="other"),
    }


def main() -> None:
    """Plant, judge, tell."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--report", type=Partition.parse, default=None)
    asked = parser.parse_args()
    values, segments = real(asked.report) if asked.report else made_up()
    champion = Evidence(
        values, "q", "r", "0" * 16, "0" * 16, 0.97, 100, 1.0, 10_000, 10_000, 0, 4.0, 1_500_000, {"pairs": "pass"}
    )
    limits = GateLimits(ARMS, MEASURES)
    table = Table(
        title=f"{len(next(iter(values['dense'].values()))):,} queries, {len(segments)} segments", title_justify="left"
    )
    for name in ("planted", "verdict", "first reason"):
        table.add_column(name)
    for name, plant in planted(values, segments, limits).items():
        verdict = judge(plant(champion), champion, limits, segments)
        said = "pass" if verdict.passed else "stop"
        table.add_row(
            name, f"[{'green' if verdict.passed else 'red'}]{said}[/]", verdict.reasons[0].replace("[", "\\[")
        )
        sys.stdout.write(
            json.dumps({"name": "planted", "what": name, "verdict": said, "reasons": verdict.reasons}) + "\n"
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else 190).print(table)


if __name__ == "__main__":
    main()

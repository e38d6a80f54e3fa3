"""ROOM=capacity: what a catalogue of any size costs, from unit costs that are measured here, and how far that holds.

First a prediction is tested: from an index of --items it is told what one of twice as many takes, then that one is
built. Then the tables. Times are CPU seconds of one thread; wall times divide them by the cores given, as if
that were free of loss. --gpu_items_per_s, where somebody has measured it, adds the GPU-hours of the towers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from models.ann.families import GRAPH_COARSE_FROM, lists_for
from models.ann.train import TRAINING_PER_LIST
from tests.benchmarks._capacity import (
    CODES,
    ITERATIONS,
    STAGES,
    Built,
    Coarse,
    Units,
    built,
    centroid_bytes,
    coarse_quantisers,
    kmeans,
    units,
)
from tests.benchmarks.negatives import DIM

SIZES = (1_000_000, 10_000_000, 140_000_000, 500_000_000)
COARSE = (4_096, 16_384, 65_536)
FORMULAE = f"""
L      = min(65,536, 4 sqrt(N))                                      inverted lists
towers = N x towers
read   = N x read
train  = kmeans x {ITERATIONS} x {TRAINING_PER_LIST} L x L                       k-means over 64 L items; N where there are fewer
assign = N x flat x L;  from {GRAPH_COARSE_FROM:,} lists  N x graph(L) + L x graph_add
code, merge, write = N x code, N x merge, N x write                  by kind of code
RAM    = N x bytes + centroids             the index as it is served; item ids beside it, N x (length + 4)
disk   = RAM + N x (2 x {DIM} + code + 4)                              with embeddings in fp16 and codes in shards
graph(L) lies on a line in log2 L through what was measured
""".strip()


def predicted(one: Units, items: int, codes: str) -> dict[str, float]:
    """CPU seconds of each stage, and bytes, by the formulae."""
    lists = lists_for(items)
    by_graph = lists >= GRAPH_COARSE_FROM
    assign = items * on_graph(one, lists) + lists * one.graph_add if by_graph else items * one.flat * lists
    return {
        "read": items * one.read,
        "train": one.kmeans * ITERATIONS * min(items, TRAINING_PER_LIST * lists) * lists,
        "assign": assign,
        "code": items * one.code[codes],
        "merge": items * one.merge[codes],
        "write": items * one.write[codes],
        "bytes": items * one.bytes[codes] + centroid_bytes(lists),
    }


def on_graph(one: Units, lists: int) -> float:
    """CPU seconds to give a vector its list through the graph."""
    steps = np.log2(list(one.graph))
    slope, start = np.polyfit(steps, list(one.graph.values()), 1)
    return float(start + slope * np.log2(lists))


def try_prediction(one: Units, items: int, codes: str) -> None:
    """Tell first, then measure, then say by how much it was wrong."""
    told = predicted(one, items, codes)
    say(name=f"predicted, {items:,} items, {codes}", **{key: float(f"{value:.4g}") for key, value in told.items()})
    found = built(items, codes)
    measured = {**found.cpu_s, "bytes": float(found.bytes)}
    total = sum(told[stage] for stage in STAGES), sum(found.cpu_s.values())
    table = Table(
        title=f"{items:,} items of {DIM} dimensions, {codes}: predicted from half as many, then measured",
        title_justify="left",
    )
    for name in ("", "predicted", "measured", "error"):
        table.add_column(name, justify="right" if name else "left")
    rows = [(stage, told[stage], measured[stage]) for stage in (*STAGES, "bytes")]
    for name, guess, truth in [*rows, ("cpu_s in all", *total)]:
        table.add_row(name, f"{guess:,.2f}", f"{truth:,.2f}", f"{guess / truth - 1:+.1%}")
    show(table)
    say(
        name=f"measured, {items:,} items, {codes}",
        **{key: float(f"{value:.4g}") for key, value in measured.items()},
        cpu_error=round(total[0] / total[1] - 1, 4),
        bytes_error=round(told["bytes"] / found.bytes - 1, 4),
    )


def tables(one: Units, machines: int, cores: int, gpu_items_per_s: float) -> None:
    """RAM, disk, CPU-hours by stage, GPU-hours and wall time, by size and kind of code."""
    at = f"{machines} machines of {cores} cores"
    table = Table(title=f"{DIM} dimensions; wall time on {at}, merge and write on one core", title_justify="left")
    names = [
        "items",
        "codes",
        "lists",
        "RAM GB",
        "disk GB",
        "towers CPU-h",
        "train CPU-h",
        "assign CPU-h",
        "code CPU-h",
        "merge CPU-h",
        "towers GPU-h",
        "wall h",
    ]
    for name in names:
        table.add_column(name, justify="left" if name == "codes" else "right")
    for items in SIZES:
        for codes in CODES:
            told = predicted(one, items, codes)
            disk = told["bytes"] + items * (2 * DIM + one.bytes[codes] - 8 + 4)
            hours = {stage: told[stage] / 3600 for stage in STAGES}
            towers, last = items * one.towers / 3600, hours["merge"] + hours["write"]
            gpu = items / gpu_items_per_s / 3600 if gpu_items_per_s else 0.0
            shared = hours["read"] + hours["assign"] + hours["code"] + (0.0 if gpu else towers)
            wall = shared / machines / cores + hours["train"] / cores + last + gpu / machines
            figures = [
                told["bytes"] / 1e9,
                disk / 1e9,
                towers,
                hours["train"],
                hours["assign"],
                hours["code"],
                last,
                gpu,
                wall,
            ]
            cells = [f"{figure:,.1f}" if figure >= 100 else f"{figure:.3g}" for figure in figures]
            table.add_row(f"{items:,}", codes, f"{lists_for(items):,}", *cells, end_section=codes == CODES[-1])
            say(
                name="capacity",
                items=items,
                codes=codes,
                lists=lists_for(items),
                **{
                    name.replace(" ", "_"): float(f"{figure:.4g}")
                    for name, figure in zip(names[3:], figures, strict=True)
                },
            )
    show(table)


def tell_coarse(found: dict[int, Coarse]) -> None:
    """A graph over the centroids against comparing with all of them."""
    for count, one in found.items():
        say(
            name="list of a vector",
            centroids=count,
            graph_us=round(1e6 * one.graph, 2),
            flat_us=round(1e6 * one.flat, 2),
            ratio=round(one.flat / one.graph, 2),
            agreement=round(one.agreement, 4),
            graph_add_us=round(1e6 * one.graph_add, 1),
        )


def try_kmeans(one: Units, lists: int) -> None:
    """The unit cost of k-means comes from few lists: what it says of many, and what is true there."""
    told, found = one.kmeans * TRAINING_PER_LIST * lists * lists, kmeans(lists)
    say(
        name="an iteration of k-means",
        lists=lists,
        predicted_s=round(told, 2),
        measured_s=round(found, 2),
        error=round(told / found - 1, 4),
    )


def say(**values: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def show(table: Table) -> None:
    """For people, beside the JSON."""
    Console(stderr=True, width=None if sys.stderr.isatty() else 170).print(table)


def main() -> None:
    """Measure, predict, measure again, tell."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--machines", type=int, default=8)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--gpu_items_per_s", type=float, default=0.0)
    asked = parser.parse_args()
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    coarse = coarse_quantisers(COARSE)
    tell_coarse(coarse)
    small: dict[str, Built] = {codes: built(asked.items, codes) for codes in CODES}
    found = units(small, coarse)
    say(name="unit costs", unit="us, bytes", **micro(found))
    Console(stderr=True, width=130).print(FORMULAE, markup=False, highlight=False)
    try_kmeans(found, COARSE[0])
    for codes in (CODES[0], CODES[-1]):
        try_prediction(found, 2 * asked.items, codes)
    tables(found, asked.machines, asked.cores, asked.gpu_items_per_s)


def micro(one: Units) -> dict[str, object]:
    """Unit costs in microseconds, bytes as they are."""
    scaled = {
        name: {key: float(f"{1e6 * part:.4g}") for key, part in value.items()}
        if isinstance(value, dict)
        else float(f"{1e6 * value:.4g}")
        for name, value in vars(one).items()
        if name != "bytes"
    }
    return {**scaled, "bytes": {key: round(part, 1) for key, part in one.bytes.items()}}


if __name__ == "__main__":
    main()

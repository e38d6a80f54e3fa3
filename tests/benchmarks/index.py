"""ROOM=index: the index we find against autofaiss, hnswlib, usearch, ScaNN and plain FAISS, one thread each.

All sides index the same vectors and answer the same real queries, each in a process of its own; they stand at the same
time and take turns at their points, and of each point the best turn counts. A side is judged at its fastest point
whose overlap with exact search in the first 100 holds the target. autofaiss's build time includes its search for
settings; ours, which is kept while the space stays, is told apart as choice_cpu_s. `--sides` measures some alone:  python -m tests.benchmarks.index --sides "nightshelf;scann 1000"
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks._ann_child import Child
from tests.benchmarks._ann_vectors import vectors_folder
from tests.benchmarks._compare import tell

log = logging.getLogger(__name__)
SIDES = (
    "nightshelf",
    "autofaiss",
    "autofaiss 50MB",
    "hnswlib 16",
    "hnswlib 32",
    "usearch f32",
    "usearch bf16",
    "usearch i8",
    "scann",
    "scann 1000",
    "scann soar",
    "faiss IVF1024,SQ8",
    "faiss IVF1024,SQbf16",
    "faiss IVF512,PQ64x4fs,Refine(SQfp16)",
    "faiss IVF1024,PQ64x4fs,Refine(SQ8)",
    "faiss HNSW32",
)
ENOUGH = 0.985
COSTS = {"bytes": ("MB", 1e-6), "build_cpu_s": ("cpu_s", 1.0), "peak_mb": ("MB", 1.0)}


@dataclass
class Curve:
    """Costs of a side's index, and its points, each with the best of its turns."""

    side: str
    built: dict[str, Any]
    points: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, point: str, found: dict[str, float]) -> None:
        """Take a turn in: the fastest counts; the recall is the same every time."""
        best = self.points.setdefault(point, found)
        for name, value in found.items():
            better = max if name in ("qps", "recall") else min
            best[name] = better(best[name], value)

    def at(self, target: float) -> tuple[str, dict[str, float]] | None:
        """The fastest point that holds the target, or None."""
        holding = [pair for pair in self.points.items() if pair[1]["recall"] >= target]
        return max(holding, key=lambda pair: pair[1]["qps"], default=None)


def measured(sides: list[str], folder: Any, rounds: int) -> list[Curve]:
    """Build one after another, then let them take turns."""
    with ExitStack() as stack:
        children = []
        for name in sides:
            children.append(stack.enter_context(closing(Child(name, folder))))
            log.info("%s: built in %.1f cpu_s", name, children[-1].built["build_cpu_s"])
        curves = [Curve(child.side, child.built) for child in children]
        for _ in range(rounds):
            for step in range(max(len(child.built["points"]) for child in children)):
                for child, curve in zip(children, curves, strict=True):
                    _turn(child, curve, step)
    return curves


def _turn(child: Child, curve: Curve, step: int) -> None:
    """Measure a side's point, unless it has none so far on, or a cheaper one finds nearly all."""
    points = [json.dumps(point) for point in child.built["points"]]
    cheaper = [curve.points[point]["recall"] for point in points[:step] if point in curve.points]
    if step < len(points) and max(cheaper, default=0.0) < ENOUGH:
        curve.add(points[step], child.measure(json.loads(points[step])))


def front(curves: list[Curve], target: float) -> set[str]:
    """Sides that no other beats in speed, bytes and build time at once, at the target."""
    found = {}
    for curve in curves:
        if best := curve.at(target):
            found[curve.side] = (-best[1]["qps"], curve.built["bytes"], curve.built["build_cpu_s"])
    return {
        side
        for side, mine in found.items()
        if not any(other != mine and all(o <= m for o, m in zip(other, mine, strict=True)) for other in found.values())
    }


def show(curves: list[Curve], target: float, title: str) -> None:
    """The table that a person reads: fastest first; on the front in bold."""
    table = Table(title=title, title_justify="left", caption="*: no other is faster, smaller and built sooner at once")
    for name in (
        "side",
        "point",
        "recall",
        "queries/cpu_s",
        "p50 ms",
        "p99 ms",
        "MB",
        "build cpu_s",
        "choice cpu_s",
        "build peak MB",
    ):
        table.add_column(name, justify="left" if name in ("side", "point") else "right")
    best = front(curves, target)
    order = sorted(curves, key=lambda curve: -(at[1]["qps"] if (at := curve.at(target)) else 0))
    for curve in order:
        took = curve.built
        built = [
            f"{took['bytes'] / 1e6:.1f}",
            f"{took['build_cpu_s']:.1f}",
            f"{took['choice_cpu_s']:.0f}" if took["choice_cpu_s"] else "",
            f"{took['peak_mb']:.0f}",
        ]
        if (found := curve.at(target)) is None:
            most = max(point["recall"] for point in curve.points.values())
            table.add_row(curve.side, "below the target", f"{most:.3f}", "", "", "", *built)
            continue
        point, at = found
        plain = point.strip("{}").replace('"', "")
        name = f"* {curve.side}" if curve.side in best else curve.side
        table.add_row(
            name,
            plain,
            f"{at['recall']:.3f}",
            f"{at['qps']:,.0f}",
            f"{at['p50_ms']:.2f}",
            f"{at['p99_ms']:.2f}",
            *built,
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else 150).print(table)


def compare_all(curves: list[Curve], target: float, varied: str) -> None:
    """One line a peer in speed, and in what its index takes."""
    ours = next((curve for curve in curves if curve.side.startswith("nightshelf")), None)
    if ours is None or (mine := ours.at(target)) is None:
        log.warning("nightshelf holds no overlap of %g, or was not measured: no ratios", target)
        return
    for peer in curves:
        if peer is ours:
            continue
        if (theirs := peer.at(target)) is None:
            log.warning("%s holds no overlap of %g: no ratio", peer.side, target)
            continue
        speeds = mine[1]["qps"], theirs[1]["qps"]
        name = f"R@100 overlap >= {target:g}"
        tell(name, *speeds, peer.side, speeds[0] / speeds[1], "queries/cpu_s", varied)
        for cost, (unit, scale) in COSTS.items():
            pair = ours.built[cost] * scale, peer.built[cost] * scale
            tell(f"{name}: {cost}", *pair, peer.side, pair[1] / pair[0], unit, varied)


def main() -> None:
    """Measure and tell: each side's curve, the table, the ratios."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=10_000, help="of which 15% are asked")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--sides", default=";".join(SIDES))
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = vectors_folder(asked.items, asked.dim, asked.queries)
    curves = measured(asked.sides.split(";"), folder, asked.rounds)
    varied = f"{asked.items:,} x {asked.dim}"
    for curve in curves:
        built = {name: value for name, value in curve.built.items() if name != "points"}
        line = {"name": "curve", "side": curve.side, **built, "points": curve.points, "varied": varied}
        sys.stdout.write(json.dumps(line) + "\n")
    show(curves, asked.target, f"{varied}, one thread, at R@100 overlap >= {asked.target:g}")
    compare_all(curves, asked.target, varied)


if __name__ == "__main__":
    main()

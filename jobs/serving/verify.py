"""Check a published bundle and measure its latency.

python -m jobs verify index/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.bundle.files import CANARIES_FILE, QUERY_TOWER, read_golden
from jobs.bundle.latency import ROUNDS, latency_ms
from jobs.bundle.query_encoder import open_encoder
from jobs.bundle.reader import Bundle, open_bundle
from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.arrow import pick, strings, texts
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import Alias, CommandArgs
from jobs.serving.open_bundle import open_as_service

log = logging.getLogger(__name__)
STAGES = {"encode": "encode", "dense": "dense index", "search": "search, end to end"}


class Args(CommandArgs):
    """index    bundle to check, or ranker or recommendations; empty: the one in service
    queries  real queries to time it on, those of split test first; empty: its items' titles
    lists    where the inverted lists are kept meanwhile: memory, disk; empty: as NIGHTSHELF_LISTS says
    alias    alias whose index is in service: a room and a name
    """

    index: Partition = NOWHERE
    queries: Partition = NOWHERE
    lists: str = ""
    alias: Alias = CHAMPION


def main(args: Args) -> dict[str, Any]:
    """Check every file's sha256, space ids, counts, golden vectors by torch and ONNX, and sampled items.

    Raises:
        RuntimeError: a check failed; the message names it.
    """
    pinned = pin(args.index) if args.index else pin_alias(args.alias)
    pinned.files()
    outcome = {
        "index": str(pinned.partition),
        "id": pinned.bundle_id,
        "files": len(pinned.entries()),
        "bytes": sum(entry.bytes for entry in pinned.entries()),
        "items": pinned.facts.get("items", 0),
        "space_id": pinned.facts.get("space_id", ""),
    }
    if not open_as_service(pinned):
        outcome |= _timed(pinned, args) if pinned.has(QUERY_TOWER) else {}
        outcome |= _check_encoders(pinned)
    outcome["sound"] = True
    log.info("%s: bundle %s is sound", pinned.partition, pinned.bundle_id)
    _show(outcome, Console(stderr=True))
    return outcome


def _timed(pinned: Pinned, args: Args) -> dict[str, Any]:
    """Time the reader on one core, before torch is loaded: the memory used then is what a service needs."""
    bundle = open_bundle(pinned, args.lists)
    queries = _queries(bundle, args.queries)
    (took,) = latency_ms([bundle], queries)
    return {
        "latency_ms": {name: round(value, 3) for name, value in took.items()},
        "timed_on": f"{len(queries):,} {'queries' if args.queries else 'titles'}",
        "resident_bytes": resident_bytes(),
    }


def _queries(bundle: Bundle, queries: Partition) -> list[str]:
    """Real queries in the order of their ids, which are hashes; or titles."""
    if queries:
        rows = read_table(pin(queries), ["query_id", "query", "split"]).sort_by("query_id")
        pairs = list(zip(strings(rows, "split"), strings(rows, "query"), strict=True))
        return [text for split, text in pairs if split == "test"] or [text for _, text in pairs]
    wanted = np.linspace(0, len(bundle.item_ids) - 1, min(200, len(bundle.item_ids)))
    return texts(pick(bundle.titles, wanted.astype(np.int64)))


def resident_bytes() -> int:
    """Memory of this process now, shared pages included; 0 on a system without /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _check_encoders(pinned: Pinned) -> dict[str, Any]:
    """Load it with torch too: check golden vectors by both encoders, and sampled items against their own vectors."""
    # the reader was timed without torch
    from jobs.bundle.export_onnx import HOSTILE, compare
    from jobs.bundle.torch_reader import load_bundle, own_vector_frac

    bundle = load_bundle(pinned)
    canaries: dict[str, str] = json.loads(pinned.path(CANARIES_FILE).read_bytes())
    share = own_vector_frac(bundle, list(canaries), list(canaries.values()))
    if share < 1:
        raise RuntimeError(
            f"{pinned.partition}: {share:.1%} of {len(canaries)} sampled items have the vector of"
            " their own text; ids and vectors do not belong together: build the index again"
        )
    if not pinned.has(QUERY_TOWER):
        return {"query_tower": "torch alone"}
    texts: Sequence[str] = [*(text for text, _ in read_golden(pinned)["queries"]), *canaries.values(), *HOSTILE]
    return {"query_tower": "onnx", "onnx_apart": compare(bundle.towers, open_encoder(pinned), texts)}


def _show(outcome: dict[str, Any], console: Console) -> None:
    """Print the outcome for people."""
    size = f"{outcome['items']:,} items in {outcome['bytes'] / 1e6:,.1f} MB"
    console.print(f"bundle [bold cyan]{outcome['id']}[/] is [bold green]sound[/]: {size}")
    console.print(Text(outcome["index"], "dim"))
    if "latency_ms" not in outcome:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("one core, ms")
    for head in ("p50", "p99"):
        table.add_column(head, justify="right")
    for stage, label in STAGES.items():
        values = [outcome["latency_ms"][f"{stage}_p{percent}_ms"] for percent in (50, 99)]
        table.add_row(label, *(f"{value:.2f}" for value in values))
    console.print(table)
    memory = f"{outcome['resident_bytes'] / 1e6:,.0f} MB resident"
    console.print(Text(f"{outcome['timed_on']}, {ROUNDS} rounds, all samples; {memory}", "dim"))

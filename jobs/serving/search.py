"""Search the index in service: the served list and each arm.

python -m jobs search --query "tenisówki pikachu"
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated

from annotated_types import Interval
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jobs.bundle.reader import POOL, Bundle, Hit, open_bundle
from jobs.bundle.reranker import Reranker, open_reranker
from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import pin
from jobs.platform.arguments import Alias, CommandArgs
from jobs.platform.html import printable

HUES = {"served": "green", "plain": "magenta", "dense": "cyan", "sparse": "yellow"}
NARROW = 100


@dataclass(frozen=True)
class RankedHit:
    """A hit, and its rank in each single arm that has it."""

    hit: Hit
    ranks: dict[str, int]


class Args(CommandArgs):
    """query   the query, as a shopper types it
    index   bundle to search; empty: the index in service
    top     items per arm
    alias   alias whose index is in service: a room and a name
    rerank  ranker of the list: its address, or an alias such as reranking/champion; empty: none
    """

    query: str
    index: Partition = NOWHERE
    top: Annotated[int, Interval(ge=1, le=100)] = 10
    alias: Alias = CHAMPION
    rerank: str = ""


def main(args: Args) -> None:
    """Print the served list, which a service shows, and the first items of each arm beside it."""
    console = Console()
    with Console(stderr=True).status("loading and checking the bundle"):
        bundle = open_bundle(pin(args.index) if args.index else pin_alias(args.alias))
    reranker = _reranker(args.rerank)
    bundle.search(args.query, rerank=reranker)  # the first search pays for allocations
    started = time.perf_counter()
    served = bundle.search(args.query, rerank=reranker)
    taken_ms = 1000 * (time.perf_counter() - started)
    arms = bundle.rank([args.query], POOL)
    arms.pop("hybrid", None)  # the served list is it, without near-duplicates, and cut off
    if reranker is not None:
        arms["plain"] = bundle.served([args.query])
    hits = {"served": served, **{arm: bundle.hits(ranked) for arm, ranked in arms.items()}}
    lists = {name: _with_ranks(some[: args.top], hits) for name, some in hits.items()}
    console.print(_head(args.query, bundle, len(served), taken_ms))
    if console.width >= NARROW:
        console.print(_side_by_side(lists, _units(bundle, reranker)))
    else:
        for name, some in lists.items():
            console.print(_one_list(name, some, _units(bundle, reranker)))
    sys.stdout.flush()


def _reranker(name: str) -> Reranker | None:
    """The ranker of an address or an alias."""
    if not name:
        return None
    return open_reranker(pin(Partition.parse(name)) if "=" in name else pin_alias(name))


def _with_ranks(some: list[Hit], hits: dict[str, list[Hit]]) -> list[RankedHit]:
    """The hits of a list, each with its rank in the single arms; without a sparse arm there is nothing to tell."""
    arms = [arm for arm in ("dense", "sparse") if "sparse" in hits]
    ranks = {arm: {hit.item_id: rank for rank, hit in enumerate(hits[arm], start=1)} for arm in arms}
    return [
        RankedHit(hit, {arm: rank[hit.item_id] for arm, rank in ranks.items() if hit.item_id in rank}) for hit in some
    ]


def _units(bundle: Bundle, reranker: Reranker | None) -> dict[str, str]:
    plain = "fused score" if bundle.has_sparse else "cosine"
    served = plain if reranker is None else f"score of {reranker.kind}"
    return {"served": served, "plain": plain, "dense": "cosine", "sparse": "BM25"}


def _head(query: str, bundle: Bundle, length: int, taken_ms: float) -> Panel:
    facts = bundle.facts
    kind = "dense and sparse, fused" if bundle.has_sparse else "dense"
    text = Text.assemble(
        (printable(query) or "(nothing visible)", "bold"),
        ("\n", ""),
        (f"{length:,} served ({kind}) of {facts['items']:,} items in {taken_ms:.1f} ms · {facts['factory']}\n", "dim"),
        (f"{bundle.name} · bundle {bundle.id}", "dim"),
    )
    return Panel(text, box=box.ROUNDED, border_style="blue", title="Nightshelf", title_align="left")


def _cell(name: str, ranked: RankedHit | None) -> Text:
    if ranked is None:
        return Text("")
    hit = ranked.hit
    title = Text(printable(hit.title, 90) or "(no title)")
    if len(ranked.ranks) == 1:
        title.stylize(HUES[next(iter(ranked.ranks))])
    line = f"{hit.score:.3f}  {printable(hit.item_id, 24)}"
    if name == "served":
        line += "".join(f"  {arm} {rank}" for arm, rank in ranked.ranks.items())
    return Text.assemble(title, "\n", (line, "dim"))


def _side_by_side(lists: dict[str, list[RankedHit]], units: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_lines=False, pad_edge=False)
    table.add_column("", justify="right", style="dim", width=3)
    for name, hits in lists.items():
        label = f"[{HUES[name]}]{name}[/] [dim]{units[name]}{'' if hits else ': no item'}[/]"
        table.add_column(label, ratio=1, overflow="fold")
    for rank, row in enumerate(zip_longest(*lists.values()), start=1):
        table.add_row(str(rank), *(_cell(name, ranked) for name, ranked in zip(lists, row, strict=True)))
    if "sparse" in lists:
        table.caption = f"coloured: only one of dense and sparse has it among its first {POOL}"
    return table


def _one_list(name: str, hits: list[RankedHit], units: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, title=name, title_style=f"bold {HUES[name]}")
    table.title_justify = "left"
    table.add_column("", justify="right", style="dim", width=3)
    table.add_column(units[name], overflow="fold")
    for rank, ranked in enumerate(hits, start=1):
        table.add_row(str(rank), _cell(name, ranked))
    if not hits:
        table.add_row("", Text("no item shares a word with the query", style="dim"))
    return table

"""Search the index in service from the terminal, arm by arm.

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

from jobs.bundle.reader import Bundle, Hit, open_bundle
from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import pin
from jobs.platform.arguments import Alias, CommandArgs
from jobs.platform.display import printable
from models.fusion.ranked_lists import Ranked, first

HUES = {"dense": "cyan", "sparse": "yellow", "hybrid": "green"}
UNITS = {"dense": "cosine", "sparse": "BM25", "hybrid": "fused"}
NARROW = 100
POOL = 200


@dataclass(frozen=True)
class Shown:
    """A hit, and its rank in each single arm that has it."""

    hit: Hit
    places: dict[str, int]


class Args(CommandArgs):
    """query  the query, as a shopper types it
    index  bundle to search; empty: the index in service
    top    items per arm
    alias  alias whose index is in service: a room and a name
    """

    query: str
    index: Partition = NOWHERE
    top: Annotated[int, Interval(ge=1, le=100)] = 10
    alias: Alias = CHAMPION


def main(args: Args) -> None:
    """Print the top items of each arm side by side."""
    console = Console()
    with Console(stderr=True).status("loading and checking the bundle"):
        bundle = open_bundle(pin(args.index) if args.index else pin_alias(args.alias))
    bundle.rank([args.query], POOL)  # the first search pays for allocations
    started = time.perf_counter()
    ranked = bundle.rank([args.query], POOL)
    taken_ms = 1000 * (time.perf_counter() - started)
    answers = {arm: _answer(arm, ranked, bundle, args.top) for arm in ranked}
    console.print(_head(args.query, bundle, taken_ms))
    if console.width >= NARROW:
        console.print(_side_by_side(answers))
    else:
        for arm, hits in answers.items():
            console.print(_one_arm(arm, hits))
    sys.stdout.flush()


def _answer(arm: str, ranked: dict[str, Ranked], bundle: Bundle, top: int) -> list[Shown]:
    """The first items of an arm, each with where the single arms have it."""
    both = ("dense", "sparse") if "sparse" in ranked else ()
    places: dict[str, dict[int, int]] = {
        name: {int(item): place for place, item in enumerate(ranked[name].items[0], start=1)} for name in both
    }
    rows = ranked[arm].items[0, :top].tolist()
    hits = bundle.hits(first(ranked[arm], top))
    return [
        Shown(hit, {name: found[row] for name, found in places.items() if row in found})
        for hit, row in zip(hits, rows, strict=False)
    ]


def _head(query: str, bundle: Bundle, taken_ms: float) -> Panel:
    facts = bundle.facts
    said = Text.assemble(
        (printable(query) or "(nothing visible)", "bold"),
        ("\n", ""),
        (f"{facts['items']:,} items · {facts['factory']} · {taken_ms:.1f} ms for all arms\n", "dim"),
        (f"{bundle.name} · bundle {bundle.id}", "dim"),
    )
    return Panel(said, box=box.ROUNDED, border_style="blue", title="Nightshelf", title_align="left")


def _cell(arm: str, shown: Shown | None) -> Text:
    if shown is None:
        return Text("")
    hit = shown.hit
    title = Text(printable(hit.title, 90) or "(no title)")
    if len(shown.places) == 1:
        title.stylize(HUES[next(iter(shown.places))])
    said = f"{hit.score:.3f}  {printable(hit.item_id, 24)}"
    if arm == "hybrid":
        found = "  ".join(f"{name} {place}" for name, place in shown.places.items())
        said = f"{hit.score:.4f}  {found}"
    return Text.assemble(title, "\n", (said, "dim"))


def _side_by_side(answers: dict[str, list[Shown]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_lines=False, pad_edge=False)
    table.add_column("", justify="right", style="dim", width=3)
    for arm, hits in answers.items():
        label = f"[{HUES[arm]}]{arm}[/] [dim]{UNITS[arm]}{'' if hits else ': no item'}[/]"
        table.add_column(label, ratio=1, overflow="fold")
    for place, row in enumerate(zip_longest(*answers.values()), start=1):
        cells = [_cell(arm, shown) for arm, shown in zip(answers, row, strict=True)]
        table.add_row(str(place), *cells)
    if "sparse" in answers:
        table.caption = f"coloured: only one of dense and sparse has it among its first {POOL}"
    return table


def _one_arm(arm: str, hits: list[Shown]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, title=arm, title_style=f"bold {HUES[arm]}")
    table.title_justify = "left"
    table.add_column("", justify="right", style="dim", width=3)
    table.add_column(UNITS[arm], overflow="fold")
    for place, shown in enumerate(hits, start=1):
        table.add_row(str(place), _cell(arm, shown))
    if not hits:
        table.add_row("", Text("no item shares a word with the query", style="dim"))
    return table

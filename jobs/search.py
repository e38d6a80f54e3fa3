"""What the champion answers, arm by arm.   python -m jobs.search --query "tenisówki pikachu" """

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import zip_longest

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jobs.bundle import Bundle, Hit, load_bundle
from jobs.cli import run
from jobs.display import printable
from jobs.lake import NOWHERE, Partition
from jobs.pointer import read_pointer
from jobs.reading import pin

HUES = {"dense": "cyan", "sparse": "yellow", "hybrid": "green"}
UNITS = {"dense": "cosine", "sparse": "BM25", "hybrid": "RRF"}
NARROW = 100


@dataclass(frozen=True)
class Args:
    """query  what a shopper types
    index  bundle to ask; the champion when it is not given
    top    items per arm
    """

    query: str
    index: Partition = NOWHERE
    top: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.top <= 100:
            raise ValueError(f"top={self.top}: expected 1 to 100")


def main(args: Args) -> None:
    """Print the top items of each arm side by side."""
    console = Console()
    with Console(stderr=True).status("loading and checking the bundle"):
        bundle = load_bundle(pin(args.index) if args.index else read_pointer("champion"))
    bundle.rank([args.query], args.top)  # the first search pays for allocations
    started = time.perf_counter()
    ranked = bundle.rank([args.query], args.top)
    taken_ms = 1000 * (time.perf_counter() - started)
    answers = {arm: bundle.hits(found) for arm, found in ranked.items()}
    console.print(_head(args.query, bundle, taken_ms))
    if console.width >= NARROW:
        console.print(_side_by_side(answers))
    else:
        for arm, hits in answers.items():
            console.print(_one_arm(arm, hits, answers))
    sys.stdout.flush()


def _head(query: str, bundle: Bundle, taken_ms: float) -> Panel:
    facts = bundle.facts
    said = Text.assemble(
        (printable(query) or "(nothing visible)", "bold"),
        ("\n", ""),
        (
            f"{facts['items']:,} items · {facts['factory']} · {taken_ms:.1f} ms for all arms\n",
            "dim",
        ),
        (bundle.name, "dim"),
    )
    return Panel(said, box=box.ROUNDED, border_style="blue", title="Nightshelf", title_align="left")


def _only_here(arm: str, hit: Hit, answers: dict[str, list[Hit]]) -> bool:
    """Whether of the two single arms only this one shows the item."""
    other = {"dense": "sparse", "sparse": "dense"}.get(arm, "")
    return bool(other) and hit.item_id not in {one.item_id for one in answers[other]}


def _cell(arm: str, hit: Hit | None, answers: dict[str, list[Hit]]) -> Text:
    if hit is None:
        return Text("")
    title = Text(printable(hit.title, 70) or "(no title)")
    if _only_here(arm, hit, answers):
        title.stylize(HUES[arm])
    score = f"{hit.score:.3f}" if arm != "hybrid" else f"{1000 * hit.score:.1f}‰"
    return Text.assemble(title, "\n", (f"{score}  {printable(hit.item_id, 24)}", "dim"))


def _side_by_side(answers: dict[str, list[Hit]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_lines=False, pad_edge=False)
    table.add_column("", justify="right", style="dim", width=3)
    for arm, hits in answers.items():
        label = f"[{HUES[arm]}]{escape(arm)}[/] [dim]{UNITS[arm]}, {len(hits)} items[/]"
        table.add_column(label, ratio=1, overflow="fold")
    for place, row in enumerate(zip_longest(*answers.values()), start=1):
        cells = [_cell(arm, hit, answers) for arm, hit in zip(answers, row, strict=True)]
        table.add_row(str(place), *cells)
    table.caption = "coloured: shown by only one of dense and sparse"
    return table


def _one_arm(arm: str, hits: list[Hit], answers: dict[str, list[Hit]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, title=arm, title_style=HUES[arm])
    table.add_column("", justify="right", style="dim", width=3)
    table.add_column(UNITS[arm], overflow="fold")
    for place, hit in enumerate(hits, start=1):
        table.add_row(str(place), _cell(arm, hit, answers))
    if not hits:
        table.add_row("", Text("no item shares a word with the query", style="dim"))
    return table


if __name__ == "__main__":
    run(Args, main)

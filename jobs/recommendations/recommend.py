"""Search the neighbours of an item, or items for a client.

python -m jobs recommend --item 4711
python -m jobs recommend --title "red lamp" --category "Home > Lamps"      (an item that the bundle does not have)
python -m jobs recommend --user 3f9c1a... --users user_recommendations/ds=2026-01-31/method=lists
"""

from __future__ import annotations

import sys
from typing import Annotated

from annotated_types import Interval
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.bundle.reader import Hit
from jobs.bundle.recommendations import Recommendations, open_recommendations
from jobs.lake.alias import pin_alias
from jobs.lake.arrow import find
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import pin
from jobs.platform.arguments import Alias, CommandArgs
from jobs.platform.html import printable


class Args(CommandArgs):
    """item             id of an item
    title            title of an item that the bundle does not have
    category         its category path
    user             hash of a client
    users            lists of clients
    recommendations  bundle; empty: the one in service
    top              items to show
    alias            alias whose bundle is in service: a room and a name
    """

    item: str = ""
    title: str = ""
    category: str = ""
    user: str = ""
    users: Partition = NOWHERE
    recommendations: Partition = NOWHERE
    top: Annotated[int, Interval(ge=1, le=100)] = 10
    alias: Alias = "recommendations/champion"

    def __post_init__(self) -> None:
        if sum(map(bool, (self.item, self.title, self.user))) != 1:
            raise ValueError("give one of: item, title, user")
        if self.users and not self.user:
            raise ValueError("users goes with user")


def main(args: Args) -> None:
    """Print the list that a service would show."""
    bundle = pin(args.recommendations) if args.recommendations else pin_alias(args.alias)
    lists = open_recommendations(bundle, pin(args.users) if args.users else None)
    if args.item:
        head, hits = _item(lists, args)
    elif args.title:
        head, hits = f"like {args.title!r}, among popular items", lists.of_new_item(args.title, args.category, args.top)
    else:
        head, hits = f"for client {args.user}", lists.of_user(args.user, args.top)
    console = Console()
    console.print(_table(printable(head, 120), hits))
    console.print(Text(f"{lists.pinned.partition} · bundle {lists.pinned.bundle_id}", "dim"))
    sys.stdout.flush()


def _item(lists: Recommendations, args: Args) -> tuple[str, list[Hit]]:
    row = int(find([args.item], lists.item_ids)[0])
    if row < 0:
        raise LookupError(
            f"{lists.pinned.partition}: no item {args.item!r} among {len(lists.item_ids):,}; give its --title to see"
            " what a new item gets"
        )
    return f"beside {lists.titles[row].as_py()}", lists.of_item(args.item, args.top)


def _table(head: str, hits: list[Hit]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=head, title_justify="left", title_style="bold green", pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("item", overflow="fold")
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right")
    for rank, hit in enumerate(hits, start=1):
        table.add_row(
            str(rank), Text(printable(hit.item_id, 24), "dim"), Text(printable(hit.title, 90)), f"{hit.score:.3f}"
        )
    if not hits:
        table.add_row("", "", Text("nothing is near", "dim"), "")
    return table

"""Trace a partition back to the log: versions, hashes, code.

python -m jobs lineage index/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.ancestry import Ancestor, ancestry
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import pin
from jobs.platform.arguments import Alias, CommandArgs


class Args(CommandArgs):
    """partition  where to start; empty: the index in service
    alias      alias whose index is in service: a room and a name
    """

    partition: Partition = NOWHERE
    alias: Alias = CHAMPION


def main(args: Args) -> None:
    """Print the tree. It reads manifests only, so it is quick for a bundle of any size."""
    start = pin(args.partition, even_stopped=True) if args.partition else pin_alias(args.alias)
    root = ancestry(start)
    tree = Tree(_label(root), guide_style="dim")
    _grow(tree, root, {root.key})
    Console().print(tree)


def _grow(tree: Tree, ancestor: Ancestor, drawn: set[str]) -> None:
    for parent in ancestor.made_from:
        again = parent.key in drawn
        drawn.add(parent.key)
        branch = tree.add(_label(parent, again))
        if not again:
            _grow(branch, parent, drawn)


def _label(ancestor: Ancestor, again: bool = False) -> Text:
    """Address and rows, and below them manifest hash, job, code version and mlflow_run."""
    label = Text(ancestor.source.partition, style="bold" if not again else "dim")
    if again:
        return label.append("  as above", style="dim")
    made = ancestor.pinned.manifest if ancestor.pinned else None
    if made is not None:
        label.append(f"  {made.rows:,} rows" if made.rows else "", style="green")
        label.append("  simulated" if made.simulated else "", style="yellow")
    label.append(f"\nmanifest {ancestor.source.manifest_sha256[:12]}", style="cyan")
    if made is None:
        return label.append("  no longer kept", style="yellow")
    label.append(f"  {made.job} {made.created_at[:16]} code {made.code_version}", style="dim")
    return label.append(f"  mlflow {made.mlflow_run_id[:8]}" if made.mlflow_run_id else "", "dim")

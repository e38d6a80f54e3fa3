"""Move an alias to a judged index, or back to an older one.

python -m jobs promote --report report/ds=2026-01-31/space=7f3a5c1e9b2d4a60
python -m jobs promote --to previous                     (roll back, in a second; or --to 3f9c1a: a bundle's id)
python -m jobs promote --list 1                          (what served, newest first)
python -m jobs promote --index index/ds=2026-01-30/space=7f3a5c1e9b2d4a60      (serve this one, judged or not)
"""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Annotated, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.lake.alias import (
    CHAMPION,
    PROMOTED,
    ROLLED_BACK,
    Promotion,
    check_sizes,
    find_promotion,
    has_alias,
    move_alias,
    pin_alias,
    pin_promoted,
    read_history,
    rollback_order,
)
from jobs.lake.manifest import MANIFEST, Source
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import Pinned, attempt_uri, pin
from jobs.lake.storage import list_files
from jobs.platform.arguments import Alias, CommandArgs, OneOf, Pattern, ZeroOrOne
from jobs.platform.html import printable
from jobs.serving.open_bundle import open_as_service

log = logging.getLogger(__name__)
SHOWN = 30


class Args(CommandArgs):
    """report         report of the index to promote; it names the exact version
    to             instead of a report: roll back to this bundle, by its id, the first digits of it, or
                   `previous`, the one that served before
    index          instead of a report: serve this index, judged or not
    attempt        with index: an older version of it (its manifest's `attempt`)
    list           1: show what served, and which bundle `to` means; move nothing
    on_stop        where the gate stopped the index: keep the champion and say so, or fail (exit 1)
    registry       how MLflow's registry is updated, always after the switch; auto: background with --to, else wait
    sync_registry  1: only update MLflow's registry to what serves now
    alias          alias to move: a room and a name
    """

    report: Partition = NOWHERE
    to: Annotated[str, Pattern("^(previous|[0-9a-f]{1,64})?$")] = ""
    index: Partition = NOWHERE
    attempt: str = ""
    list: ZeroOrOne = 0
    on_stop: Annotated[str, OneOf("fail", "keep")] = "keep"
    registry: Annotated[str, OneOf("auto", "wait", "background", "skip")] = "auto"
    sync_registry: ZeroOrOne = 0
    alias: Alias = CHAMPION

    def __post_init__(self) -> None:
        to = self.to and not self.list
        if sum(map(bool, (self.report, to, self.index, self.list, self.sync_registry))) != 1:
            raise ValueError("give one of: report (to promote), to (to roll back), index, list, sync_registry")
        if self.attempt and not self.index:
            raise ValueError("attempt goes with index")


def main(args: Args) -> dict[str, Any]:
    """Promote what the report judged, or roll back."""
    if args.list:
        shown = show_history(args.alias)
        return {**shown, "to": _find(args).id} if args.to else shown
    if args.sync_registry:
        return {"registry": _update_registry(args.alias, pin_alias(args.alias), read_history(args.alias)[0].why)}
    if args.to:
        return _roll_back(args)
    if args.index:
        index = pin(args.index, attempt=args.attempt)
        return _serve(args, index, "by hand", _serving(args.alias))
    return _promote(args)


def _roll_back(args: Args) -> dict[str, Any]:
    """Move back after a check of the manifest and of file sizes alone: reading gigabytes would take longer than a second."""
    history = read_history(args.alias)
    index = pin_promoted(_find(args))
    check_sizes(index)
    if index.manifest_sha256 == history[0].manifest_sha256:
        log.info("%s: bundle %s serves already", args.alias, index.bundle_id)
        updated = _update_registry(args.alias, index, history[0].why) if args.registry == "wait" else "skip"
        return {"promoted": False, "champion": str(index.partition), "id": index.bundle_id, "registry": updated}
    why = f"rolled back from {history[0].id} to {args.to}"
    return _switch(args, index, ROLLED_BACK, why, history[0].manifest_sha256)


def _find(args: Args) -> Promotion:
    return find_promotion(args.alias, read_history(args.alias), args.to)


def _promote(args: Args) -> dict[str, Any]:
    """Promote what the report judged, unless the gate stopped it or a later day serves."""
    report = pin(args.report)
    _refuse_other_room(args, report)
    summary = report.facts
    if summary["verdict"] != "pass":
        stopped = f"{args.report}: stopped by the gate ({'; '.join(summary['reasons'])})"
        if args.on_stop == "fail":
            raise RuntimeError(f"{stopped}; the champion stays")
        log.warning("%s; the champion stays", stopped)
        champion = read_history(args.alias)[0].partition if has_alias(args.alias) else ""
        return {"promoted": False, "champion": champion, "reasons": summary["reasons"]}
    if has_alias(args.alias) and (serving := pin_alias(args.alias).partition).ds > report.partition.ds:
        # a backfill judges past days, but must not put a past catalogue into service
        why = f"{serving} is of a later day; to serve an older one, promote it by --index"
        log.warning("%s: passed, not promoted: %s", args.report, why)
        return {"promoted": False, "champion": str(serving), "reasons": [why]}
    compared = _still_the_champion(args.alias, report)
    judged = (
        Source(**summary["promotes"])
        if "promotes" in summary
        else next(source for source in report.manifest.inputs if source.partition.startswith("index/"))
    )
    return _serve(args, _as_judged(report, judged), "; ".join(summary["reasons"]), compared)


def _refuse_other_room(args: Args, report: Pinned) -> None:
    """Refuse a report that compared its index with another alias than the one to move."""
    # reports from before there were rooms name no alias
    compared = report.facts.get("alias", CHAMPION)
    if compared != args.alias:
        raise ValueError(f"{report.partition}: judged beside {compared}, not {args.alias}; give --alias {compared}")


def _as_judged(report: Pinned, judged: Source) -> Pinned:
    """The exact version of the index that the report judged."""
    index = pin(Partition.parse(judged.partition), attempt=judged.attempt)
    if index.manifest_sha256 != judged.manifest_sha256:
        raise RuntimeError(f"{judged.partition}: changed since {report.partition} judged it; judge again")
    return index


def _serving(alias: str) -> str:
    """sha256 of the manifest in service; empty where nothing serves."""
    history = read_history(alias)
    return history[0].manifest_sha256 if history else ""


def _still_the_champion(alias: str, report: Pinned) -> str:
    """Refuse when another index was promoted since the report: it was not compared with that one."""
    compared: str = report.facts["champion"].get("manifest_sha256", "")
    serving = _serving(alias)
    if serving and serving != compared:
        raise RuntimeError(
            f"{report.partition}: compared with {compared[:12] or 'no champion'}, but"
            f" {read_history(alias)[0].partition} (manifest {serving[:12]}) is in service now;"
            " rank and judge again"
        )
    return serving


def _serve(args: Args, index: Pinned, why: str, instead_of: str) -> dict[str, Any]:
    """Load the bundle as a service would, then move the name."""
    if not open_as_service(index):
        from jobs.bundle.torch_reader import load_bundle  # imports torch, which a rollback must not wait for

        load_bundle(index)
    return _switch(args, index, PROMOTED, why, instead_of)


def _switch(args: Args, index: Pinned, how: str, why: str, instead_of: str) -> dict[str, Any]:
    before = move_alias(args.alias, index, how, why, instead_of)
    log.info("%s: bundle %s, %s (%s)", args.alias, index.bundle_id, index.partition, why)
    update = args.registry
    if update == "auto":
        update = "background" if how == ROLLED_BACK else "wait"
    if update == "background":
        words = [sys.executable, "-m", "jobs", "promote", "--sync_registry", "1", "--alias", args.alias]
        nothing = subprocess.DEVNULL
        subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    return {
        "promoted": True,
        "champion": str(index.partition),
        "id": index.bundle_id,
        "previous": before.partition if before else "",
        "attempt": index.manifest.attempt,
        "registry": _update_registry(args.alias, index, why) if update == "wait" else update,
    }


def _update_registry(alias: str, index: Pinned, why: str) -> str:
    from jobs.platform.registry import set_champion  # imports MLflow: after the switch, never before

    return set_champion(alias, index, why)


def show_history(alias: str) -> dict[str, Any]:
    """Print the history of an alias on standard error, and return the same as values, the newest first."""
    history = read_history(alias)
    order = [event.id for event in rollback_order(history)]
    rows = [_row(event, order, history) for event in history[:SHOWN]]
    title = f"{alias}: {history[0].id if history else 'points nowhere yet'}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("bundle", no_wrap=True)
    for head in ("index", "since, UTC", "items", "now", "why"):
        table.add_column(head, overflow="fold", justify="right" if head == "items" else "left")
    for number, row in enumerate(rows):
        cells = (row["index"], row["at"].replace("T", " ")[:19], f"{row['items']:,}", row["state"], row["why"])
        style = "bold green" if not number else "dim" if row["state"] == "deleted" else ""
        table.add_row(Text(row["id"], "cyan"), *(printable(cell, 200) for cell in cells), style=style)
    Console(stderr=True).print(table)
    return {"name": alias, "bundles": rows}


def _row(event: Promotion, order: list[str], history: list[Promotion]) -> dict[str, Any]:
    state = "kept"
    if event.id == history[0].id:
        state = "serves"
    elif not _is_there(event):
        state = "deleted"
    elif order[1:2] == [event.id]:
        state = "previous"
    row = {"id": event.id, "index": event.partition, "at": event.at, "items": event.items}
    return {**row, "how": event.how, "why": event.why, "state": state}


def _is_there(event: Promotion) -> bool:
    uri = attempt_uri(Partition.parse(event.partition), event.attempt)
    return any(name == MANIFEST for name, _ in list_files(uri))

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
)
from jobs.lake.manifest import Source
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import Alias, CommandArgs, OneOf, Pattern, ZeroOrOne
from jobs.serving.promotions_shown import show

log = logging.getLogger(__name__)


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
        shown = show(args.alias)
        return {**shown, "to": _find(args).id} if args.to else shown
    if args.sync_registry:
        return {"registry": _tell(args.alias, pin_alias(args.alias), read_history(args.alias)[0].why)}
    if args.to:
        return _roll_back(args)
    if args.index:
        index = pin(args.index, attempt=args.attempt)
        return _serve(args, index, "by hand", _serving(args.alias))
    return _promote(args)


def _roll_back(args: Args) -> dict[str, Any]:
    """Move back by manifest and sizes alone: what is to be in service in a second is not read first."""
    history = read_history(args.alias)
    index = pin_promoted(_find(args))
    check_sizes(index)
    if index.manifest_sha256 == history[0].manifest_sha256:
        log.info("%s: bundle %s serves already", args.alias, index.bundle_id)
        told = _tell(args.alias, index, history[0].why) if args.registry == "wait" else "skip"
        return {"promoted": False, "champion": str(index.partition), "id": index.bundle_id, "registry": told}
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
        said = f"{args.report}: stopped by the gate ({'; '.join(summary['reasons'])})"
        if args.on_stop == "fail":
            raise RuntimeError(f"{said}; the champion stays")
        log.warning("%s; the champion stays", said)
        champion = read_history(args.alias)[0].partition if has_alias(args.alias) else ""
        return {"promoted": False, "champion": champion, "reasons": summary["reasons"]}
    if has_alias(args.alias) and (serving := pin_alias(args.alias).partition).ds > report.partition.ds:
        # a backfill judges past days, but must not put a past catalogue into service
        why = f"{serving} is of a later day; to serve an older one, promote it by --index"
        log.warning("%s: passed, not promoted: %s", args.report, why)
        return {"promoted": False, "champion": str(serving), "reasons": [why]}
    compared = _still_the_champion(args.alias, report)
    judged = next(one for one in report.manifest.inputs if one.partition.startswith("index/"))
    return _serve(args, _as_judged(report, judged), "; ".join(summary["reasons"]), compared)


def _refuse_other_room(args: Args, report: Pinned) -> None:
    """Refuse a report that compared its index with another alias than the one to move."""
    # reports from before there were rooms name no alias
    compared = report.facts.get("alias", CHAMPION)
    if compared != args.alias:
        raise ValueError(f"{report.partition}: judged beside {compared}, not {args.alias}; give --alias {compared}")


def _as_judged(report: Pinned, judged: Source) -> Pinned:
    """The very version of the index that the report is about."""
    index = pin(Partition.parse(judged.partition), attempt=judged.attempt)
    if index.manifest_sha256 != judged.manifest_sha256:
        raise RuntimeError(f"{judged.partition}: changed since {report.partition} judged it; judge again")
    return index


def _serving(alias: str) -> str:
    """sha256 of the manifest in service; empty where none is."""
    history = read_history(alias)
    return history[0].manifest_sha256 if history else ""


def _still_the_champion(alias: str, report: Pinned) -> str:
    """Refuse when another index was promoted since: nobody compared with that one."""
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
    from jobs.bundle.torch_reader import load_bundle  # torch: not for those who roll back

    load_bundle(index)
    return _switch(args, index, PROMOTED, why, instead_of)


def _switch(args: Args, index: Pinned, how: str, why: str, instead_of: str) -> dict[str, Any]:
    before = move_alias(args.alias, index, how, why, instead_of)
    log.info("%s: bundle %s, %s (%s)", args.alias, index.bundle_id, index.partition, why)
    telling = args.registry
    if telling == "auto":
        telling = "background" if how == ROLLED_BACK else "wait"
    if telling == "background":
        words = [sys.executable, "-m", "jobs", "promote", "--sync_registry", "1", "--alias", args.alias]
        nothing = subprocess.DEVNULL
        subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    return {
        "promoted": True,
        "champion": str(index.partition),
        "id": index.bundle_id,
        "previous": before.partition if before else "",
        "attempt": index.manifest.attempt,
        "registry": _tell(args.alias, index, why) if telling == "wait" else telling,
    }


def _tell(alias: str, index: Pinned, why: str) -> str:
    from jobs.platform.registry import tell_champion  # MLflow: after the switch, and not before

    return tell_champion(alias, index, why)

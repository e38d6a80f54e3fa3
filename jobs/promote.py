"""Move the name `champion` to an index that its report lets pass, or back to an older one.

python -m jobs.promote --report report/ds=2026-01-31/towers=7f3a5c1e9b2d4a60
python -m jobs.promote --index index/ds=2026-01-30/towers=7f3a5c1e9b2d4a60      (roll back)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from jobs import tracking
from jobs.bundle import load_bundle
from jobs.cli import run
from jobs.lake import NOWHERE, Partition
from jobs.manifest import Source
from jobs.pointer import has_pointer, read_pointer, write_pointer
from jobs.reading import Pinned, pin

log = logging.getLogger(__name__)
CHAMPION, PREVIOUS = "champion", "previous"


@dataclass(frozen=True)
class Args:
    """report   judgement of the index to promote; it names the exact version
    index    instead of a report: roll back to this index, judged or not
    attempt  with index: an older version of it (its manifest's `attempt`)
    on_stop  when the gate stopped it: keep the champion and say so, or fail (exit 1)
    """

    report: Partition = NOWHERE
    index: Partition = NOWHERE
    attempt: str = ""
    on_stop: str = "keep"

    def __post_init__(self) -> None:
        if bool(self.report) == bool(self.index):
            raise ValueError("give either report (to promote) or index (to roll back)")
        if self.attempt and not self.index:
            raise ValueError("attempt goes with index")
        if self.on_stop not in ("fail", "keep"):
            raise ValueError(f"on_stop={self.on_stop}: expected keep or fail")


def main(args: Args) -> dict[str, Any]:
    """Promote what the report judged, or roll back."""
    if args.index:
        return _serve(pin(args.index, attempt=args.attempt), "rolled back by hand")
    report = pin(args.report)
    summary = report.facts
    if summary["verdict"] != "pass":
        said = f"{args.report}: stopped by the gate ({'; '.join(summary['reasons'])})"
        if args.on_stop == "fail":
            raise RuntimeError(f"{said}; the champion stays")
        log.warning("%s; the champion stays", said)
        return {"promoted": False, "champion": _champion_name(), "reasons": summary["reasons"]}
    if (
        has_pointer(CHAMPION)
        and (serving := read_pointer(CHAMPION).partition).ds > report.partition.ds
    ):
        # a backfill judges past days, but must not put a past catalogue into service
        why = f"{serving} is of a later day; to serve an older one, promote it by --index"
        log.warning("%s: passed, not promoted: %s", args.report, why)
        return {"promoted": False, "champion": str(serving), "reasons": [why]}
    _still_the_rival(report)
    judged = _source(report, "index")
    index = pin(Partition.parse(judged.partition), attempt=judged.attempt)
    if index.manifest_sha256 != judged.manifest_sha256:
        raise RuntimeError(
            f"{judged.partition}: changed since {args.report} judged it; judge again"
        )
    return _serve(index, "; ".join(summary["reasons"]))


def _source(report: Pinned, room: str) -> Source:
    return next(one for one in report.manifest.inputs if one.partition.startswith(f"{room}/"))


def _still_the_rival(report: Pinned) -> None:
    """Refuse when another index was promoted since: nobody compared with that one."""
    compared = report.facts["champion"].get("manifest_sha256", "")
    serving = read_pointer(CHAMPION) if has_pointer(CHAMPION) else None
    if serving is not None and serving.manifest_sha256 != compared:
        raise RuntimeError(
            f"{report.partition}: compared with {compared[:12] or 'no champion'}, but"
            f" {serving.partition} (manifest {serving.manifest_sha256[:12]}) is in service now;"
            " rank and judge again"
        )


def _serve(index: Pinned, why: str) -> dict[str, Any]:
    """Load the bundle as a service would, then move the pointers."""
    load_bundle(index)
    before = _champion_name()
    if before:
        serving = read_pointer(CHAMPION)
        if serving.manifest_sha256 != index.manifest_sha256:
            write_pointer(PREVIOUS, serving)
    write_pointer(CHAMPION, index)
    log.info("champion: %s (%s)", index.partition, why)
    return {
        "promoted": True,
        "champion": str(index.partition),
        "previous": before,
        "attempt": index.manifest.attempt,
        "registry": _alias(index, why),
    }


def _champion_name() -> str:
    return str(read_pointer(CHAMPION).partition) if has_pointer(CHAMPION) else ""


def _alias(index: Pinned, why: str) -> str:
    """Set the registry's alias too. The pointer is what serves: a registry that is down must not
    undo a promotion, so its failure is told, not raised."""
    from mlflow.exceptions import MlflowException

    towers = _source(index, "towers")
    run_id = pin(
        Partition.parse(towers.partition), attempt=towers.attempt, even_stopped=True
    ).manifest.mlflow_run_id
    try:
        api = tracking.client()
        versions = api.search_model_versions(f"run_id='{run_id}'")
        for version in versions:
            api.set_registered_model_alias(version.name, CHAMPION, version.version)
            api.set_model_version_tag(version.name, version.version, "index", str(index.partition))
            api.set_model_version_tag(version.name, version.version, "why", why[:250])
    except (MlflowException, OSError) as error:
        log.warning("champion: the registry was not told: %s", error)
        return "not told"
    return ", ".join(f"{version.name}/{version.version}" for version in versions) or "no model"


if __name__ == "__main__":
    run(Args, main)

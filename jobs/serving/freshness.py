"""Check that an alias points at a version young enough.

    python -m jobs freshness --alias search/champion --max_age_h 30

For a scheduler outside, such as cron: it ends with 0 and one JSON line, or with 1 and a sentence that says where to look.
The age counts from when the version was made. So a night that promoted nothing is noticed, and so is a rollback that
nobody followed up.
"""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.lake.alias import CHAMPION, Promotion, check_sizes, pin_promoted, read_history
from jobs.lake.partitions import lake_root
from jobs.platform.arguments import Alias, CommandArgs, PositiveFloat

CLOCK_SKEW_H = 1.0


class Args(CommandArgs):
    """alias      a room and a name
    max_age_h  hours since the version was made, at most: a night is 24, and 30 leaves it six more
    """

    alias: Alias = CHAMPION
    max_age_h: PositiveFloat = 30.0


def main(args: Args) -> dict[str, object]:
    """The version in service and its age.

    Raises:
        LookupError: the alias points nowhere, or at a version that was deleted.
        RuntimeError: the version is too old, from the future, or damaged.
    """
    history = read_history(args.alias)
    if not history:
        raise LookupError(
            f"{args.alias}: points nowhere in the lake at {lake_root()}, so nothing serves; is NIGHTSHELF_LAKE right?"
            " Else look at the last run of towers_weekly, which promotes the first index"
        )
    event = history[0]
    pinned = pin_promoted(event)
    check_sizes(pinned)
    made = datetime.fromisoformat(pinned.manifest.created_at)
    age_h = (datetime.now(UTC) - made).total_seconds() / 3600
    if not -CLOCK_SKEW_H <= age_h <= args.max_age_h:
        raise RuntimeError(_complaint(args, event, made, age_h))
    return {
        "alias": args.alias,
        "partition": event.partition,
        "id": event.id,
        "made": made.isoformat(timespec="seconds"),
        "age_h": round(age_h, 2),
        "how": event.how,
    }


def _complaint(args: Args, event: Promotion, made: datetime, age_h: float) -> str:
    version = f"{args.alias}: {event.partition} was made at {made:%Y-%m-%d %H:%M} UTC"
    if age_h < 0:
        return f"{version}, which is in the future: set the clock of this machine, or of the one that made it"
    return (
        f"{version}, {age_h:.1f} h ago, expected at most {args.max_age_h:g} h; it was {event.how} at {event.at}. Look at"
        " alerts.jsonl in NIGHTSHELF_HOME, then at the last runs of index_nightly: did one end, and what did its report"
        f" say? `python -m jobs promote --alias {args.alias} --list 1` shows what served before"
    )

"""Resolve an alias to towers, space and index for a DAG run.

python -m jobs pin                                        the champion's
python -m jobs pin --towers towers/ds=2026-01-31/step=star
python -m jobs pin --ds 2026-01-31 --shards 2             and the day to take embeddings over from
python -m jobs pin --listed_ds 2026-02-07 --window_days 6 and the days of clicks that a ranker can learn from
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Annotated

from jobs.lake.alias import CHAMPION, has_alias, pin_alias
from jobs.lake.partitions import CODES, EMBEDDINGS, ITEM_FEATURES, ITEMS, NOWHERE, TRAINED_INDEX, Partition, Table
from jobs.lake.read import Pinned, exists, pin, read_verdict
from jobs.platform.arguments import Alias, CommandArgs, NonNegativeInt, Pattern, PositiveInt, WindowDays, ZeroOrOne
from models.reranking.features import FEATURES

NOTHING_TO_DO = 99  # Airflow skips what follows
log = logging.getLogger(__name__)


class Args(CommandArgs):
    """towers         trained towers; empty: those behind the index in service
    ds             day to embed: an earlier day is looked for whose embeddings can be reused; empty: none
    shards         parts that the embeddings of both days are in
    features_ds    day up to which the newest item_features is looked for; empty: none
    previous_days  days that an earlier one may lie back
    rebuild        1: reuse nothing, encode everything anew
    alias          alias whose index is in service: a room and a name
    listed_ds      last day of clicks that a ranker learns from; empty: none
    window_days    days of such clicks at most; fewer where the towers are younger
    unless_ranked  alias of a ranker: where it is of these towers and this code's features, there is nothing to do;
                   empty: go on
    """

    towers: Partition = NOWHERE
    ds: str = ""
    shards: PositiveInt = 1
    features_ds: str = ""
    previous_days: NonNegativeInt = 14
    rebuild: ZeroOrOne = 0
    alias: Alias = CHAMPION
    listed_ds: str = ""
    window_days: WindowDays = 6
    unless_ranked: Annotated[str, Pattern("^([a-z][a-z_]*/[a-z][a-z_]*)?$")] = ""

    def __post_init__(self) -> None:
        for day in filter(None, (self.ds, self.features_ds, self.listed_ds)):
            ITEMS.at(ds=day)


def main(args: Args) -> dict[str, object]:
    """Print the towers, their space id and the index in service; exit with 99 where there is nothing to do."""
    champion = pin_alias(args.alias) if has_alias(args.alias) else None
    if args.towers:
        towers = pin(args.towers)
    elif champion:
        towers = towers_behind(champion)
    else:
        log.info("%s: points nowhere yet; towers_weekly trains and promotes the first", args.alias)
        raise SystemExit(NOTHING_TO_DO)
    # refreshed towers keep the embeddings of those they went on from
    items_space = towers.facts.get("items_of") or towers.facts["space_id"]
    return {
        "towers": str(towers.partition),
        "space": towers.facts["space_id"],
        "items_space": items_space,
        "champion": str(champion.partition) if champion else "",
        "item_features": newest_features(args),
        **previous_days(args, items_space),
        **listed_days(args, towers),
    }


def listed_days(args: Args, towers: Pinned) -> dict[str, object]:
    """window_days of clicks up to `listed_ds` that the towers cannot have seen, and bundle_ds, the day before them.

    Exits with 99 where the ranker in service is of these towers, or where no such day has ended yet.
    """
    if not args.listed_ds:
        return {}
    if args.unless_ranked and has_alias(args.unless_ranked):
        ranker = pin_alias(args.unless_ranked)
        reads = tuple(ranker.facts["features"])
        if ranker.facts["space_id"] == towers.facts["space_id"] and reads == FEATURES:
            log.info("%s: %s is of the towers in service", args.unless_ranked, ranker.partition)
            raise SystemExit(NOTHING_TO_DO)
    age = (date.fromisoformat(args.listed_ds) - date.fromisoformat(towers.partition.ds)).days
    if age < 1:
        log.info("%s: no day after it has ended up to %s; a ranker waits", towers.partition, args.listed_ds)
        raise SystemExit(NOTHING_TO_DO)
    days = min(args.window_days, age)
    return {"window_days": days, "bundle_ds": _before(args.listed_ds, days)}


def newest_features(args: Args) -> str:
    """Address of the newest item_features that is sound; empty where none is: an index without numbers serves all the same."""
    if not args.features_ds:
        return ""
    for day in _days(args.features_ds, range(args.previous_days + 1)):
        if _sound(ITEM_FEATURES.at(ds=day)):
            return str(ITEM_FEATURES.at(ds=day))
    log.warning(
        "item_features: none of the %d days up to %s is sound; the index has no numbers, and no ranker serves on it",
        args.previous_days + 1,
        args.features_ds,
    )
    return ""


def previous_days(args: Args, space: str) -> dict[str, str]:
    """For each table, the newest earlier day that is complete in this space; empty where none is."""
    tables = (EMBEDDINGS, TRAINED_INDEX, CODES)
    return {f"previous_{table.name}": _newest(args, table, space) for table in tables}


def _newest(args: Args, table: Table, space: str) -> str:
    if not args.ds or args.rebuild:
        return ""
    shards = [f"{number}of{args.shards}" for number in range(args.shards)]
    for day in _days(args.ds, range(1, args.previous_days + 1)):
        at = {"ds": day, "space": space}
        parts = [table.at(**at, shard=shard) for shard in shards] if "shard" in table.keys else [table.at(**at)]
        if all(map(_sound, parts)):
            return at["ds"]
    log.info(
        "%s in space %s: none of the %d days before %s is complete; everything is made anew",
        table.name,
        space,
        args.previous_days,
        args.ds,
    )
    return ""


def _days(last: str, back: Iterable[int]) -> Iterator[str]:
    """Days that lie so many days before the last one."""
    return (_before(last, days) for days in back)


def _before(last: str, days: int) -> str:
    return (date.fromisoformat(last) - timedelta(days=days)).isoformat()


def _sound(partition: Partition) -> bool:
    return exists(partition) and read_verdict(pin(partition, even_stopped=True)).get("verdict") != "stop"


def towers_behind(champion: Pinned) -> Pinned:
    """The towers that an index was made with.

    Raises:
        RuntimeError: those towers were trained anew since, so that their space is another.
    """
    space = champion.partition.values["space"]
    addresses = [source.partition for source in champion.manifest.inputs if source.partition.startswith("towers/")]
    for address in addresses:
        if (towers := pin(Partition.parse(address))).facts["space_id"] == space:
            return towers
    raise RuntimeError(
        f"{champion.partition}: of its towers ({', '.join(addresses) or 'none'}) none is in space {space} "
        f"any more; they were trained anew: promote an index of the new ones"
    )

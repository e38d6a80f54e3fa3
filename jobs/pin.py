"""A moving name, resolved once: the towers, the space and the index in service that a DAG run works with.

python -m jobs.pin                                        the champion's
python -m jobs.pin --towers towers/ds=2026-01-31/step=star
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from jobs.cli import run
from jobs.lake import NOWHERE, Partition
from jobs.pointer import has_pointer, read_pointer
from jobs.reading import Pinned, pin

NOTHING_TO_DO = 99  # Airflow skips what follows
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Args:
    """towers  trained towers; empty: those behind the index in service"""

    towers: Partition = NOWHERE


def main(args: Args) -> dict[str, object]:
    """Name the towers, their space id and the index in service; exits with 99 when there is neither."""
    champion = read_pointer("champion") if has_pointer("champion") else None
    if args.towers:
        towers = pin(args.towers)
    elif champion:
        towers = towers_behind(champion)
    else:
        log.info("champion: points nowhere yet; towers_weekly trains and promotes the first")
        raise SystemExit(NOTHING_TO_DO)
    return {
        "towers": str(towers.partition),
        "space": towers.facts["space_id"],
        # refreshed towers keep the embeddings of those they went on from
        "items_space": towers.facts.get("items_of") or towers.facts["space_id"],
        "champion": str(champion.partition) if champion else "",
    }


def towers_behind(champion: Pinned) -> Pinned:
    """The towers that an index was made with.

    Raises:
        RuntimeError: those towers were trained anew since, so that their space is another.
    """
    space = champion.partition.values["towers"]
    found = [source.partition for source in champion.manifest.inputs
             if source.partition.startswith("towers/")]  # fmt: skip
    for address in found:
        if (towers := pin(Partition.parse(address))).facts["space_id"] == space:
            return towers
    raise RuntimeError(
        f"{champion.partition}: of its towers ({', '.join(found) or 'none'}) none is in space {space} "
        f"any more; they were trained anew: promote an index of the new ones"
    )


if __name__ == "__main__":
    run(Args, main)

"""Days and judgements that went into what ranks a training list: none of them may be among the labels of the list."""

from __future__ import annotations

from jobs.bundle.files import days_of_features
from jobs.lake.ancestry import ancestry, each
from jobs.lake.arrow import strings, where
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, read_table

READ = (("numbers", "items"), ("segments", "queries"))  # what rankers read of a bundle that days go into


def last_trained_day(index: Pinned) -> str:
    """The last day whose clicks the towers behind an index were trained on; empty where people's labels taught them.

    Of pairs that are no longer kept, their own day, which is that or a later one.
    """
    towers = [ancestor for ancestor in each(ancestry(index)) if ancestor.table == "towers"]
    days = [""]
    for pairs in (source for tower in towers for source in tower.made_from if source.table == "pairs"):
        if pairs.pinned is None:
            days.append(Partition.parse(pairs.source.partition).ds)
        elif window := pairs.pinned.facts.get("window"):
            days.append(str(window["days_read"][-1]))
    return max(days)


def taught_by_labels(index: Pinned) -> set[str]:
    """Ids of the queries whose judgements taught the towers behind an index: its scores know their labels."""
    towers = [ancestor for ancestor in each(ancestry(index)) if ancestor.table == "towers" and ancestor.pinned]
    seen: set[str] = set()
    for tower in towers:
        for source in tower.made_from:
            # pairs of clicks name their window; qrels are learnt from only where the towers say so
            learnt = source.table == "pairs" and source.pinned and "window" not in source.pinned.facts
            learnt = learnt or (source.table == "qrels" and tower.pinned and tower.pinned.facts.get("label_pairs"))
            if learnt and source.pinned:
                seen |= set(
                    strings(where(read_table(source.pinned, ["query_id", "split"]), "split", "train"), "query_id")
                )
    return seen


def refuse_seen(index: Pinned, first_day: str, what: str) -> None:
    """Refuse lists of days that the towers, the numbers of the items or the segments of the queries have seen.

    The clicks and searches of such days are in the features.

    Raises:
        RuntimeError: the first day of the lists is not after all of them.
    """
    days = days_of_features(index)
    seen = {"its towers": last_trained_day(index)} | {f"its {name} of {of}": days.get(name, "") for name, of in READ}
    for name, day in seen.items():
        if day >= first_day:
            raise RuntimeError(
                f"{index.partition}: {name} have seen clicks up to {day}, and {what} begin on {first_day};"
                f" a ranker would learn from features that know their labels: take days after {day}, or an older index"
            )

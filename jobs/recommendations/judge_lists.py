"""Judge served lists by the sessions that were held out, beside standing arms on the same sessions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.lake.arrow import Rows, Strings, find, pick, strings, table_of, texts
from jobs.lake.attempt import Attempt
from jobs.lake.manifest import ARM_LISTS
from jobs.lake.read import Pinned, read_table
from jobs.platform.trec import rows_of
from models.evaluation.arm_overlap import index_behind
from models.evaluation.measures import Floats, measure
from models.evaluation.qrels import Judged, hits_in
from models.evaluation.significance import permutation_p
from models.fusion.fuse import reciprocal_rank_fusion
from models.fusion.ranked_lists import Ranked, first
from models.recommendations.arms import ARMS, CLASSES, popularity

DEPTH = 25
RRF_K = 9  # the first rank counts 1/10, as is usual for lists so short
MEASURES = (f"RR@{DEPTH}", f"Success@{DEPTH}", "Success@10")
Mask = NDArray[np.bool_]
# arms of the mixture that a report shows beside the standing ones
SHOWN = ("content", "via_popular", "prod2vec", "co_click")


class HeldOut(NamedTuple):
    """The item before the target [S] and the target [S], -1 where it has left, of sessions whose last given item lives."""

    source: Rows
    target: Rows
    query_ids: list[str]


def sources(judged: Pinned, split: str, most: int | None = None) -> pa.Table:
    """query_id, source (the item before the target) and target of a split's sessions: the first `most` in order of query_id.

    The id is a hash, so these are a random sample.
    """
    rows = read_table(judged, ["query_id", "given", "target"], pc.field("split") == split).sort_by("query_id")
    rows = rows.slice(0, most)
    given: list[Any] = rows.column("given").to_pylist()
    return table_of(
        {"query_id": rows.column("query_id"), "source": [items[-1] for items in given], "target": rows.column("target")}
    )


def held_out(judged: Pinned, split: str, ids: Strings, most: int | None = None) -> HeldOut:
    """Sessions of a split, in the order of their ids; at most `most`."""
    rows = sources(judged, split, most)
    source, target = (find(strings(rows, name), ids) for name in ("source", "target"))
    names = strings(rows.filter(source >= 0), "query_id")
    return HeldOut(source[source >= 0], target[source >= 0], names)


def standing(made: list[Ranked], support: Rows, depth: int) -> dict[str, Ranked]:
    """Arms that every judgement shows: popularity, co-session neighbours, sequential rules, and both fused by rank."""
    rules, together = made[ARMS.index("after")], made[ARMS.index("together")]
    both = reciprocal_rank_fusion([together.items, rules.items], depth, RRF_K)
    return {"popularity": popularity(support, len(rules.items), depth), "knn": together, "rules": rules, "rrf": both}


def write_arms(out: Attempt, arms: dict[str, Ranked], rows: Rows, ids: Strings, depth: int) -> None:
    """Write the first `depth` of each arm's lists for some items, beside the rows of `out`: arm, source, item_id, rank, score."""
    folder = out.folder / ARM_LISTS
    folder.mkdir()
    names = texts(pick(ids, rows))
    for arm, lists in arms.items():
        if not (lists.items >= 0).any():  # nothing was learnt that it could show
            continue
        table = rows_of(arm, names, first(lists, depth), ids).rename_columns(
            ["arm", "source", "item_id", "rank", "score"]
        )
        pq.write_table(table, folder / f"{arm}.parquet", compression="zstd", write_page_checksum=True)


def measured(lists: Ranked, target: Rows, n_items: int) -> Floats:
    """MEASURES [S, M] of each session's list. A target that has left the catalogue, -1, is found by none."""
    living = target >= 0
    gains = np.ones(int(living.sum()))
    truth = Judged.of(len(target), n_items, np.flatnonzero(living), target[living], gains, gains > 0)
    return measure(truth, hits_in(truth, lists.items[:, :DEPTH]), MEASURES)


def judge(arms: dict[str, Ranked], target: Rows, classes: Rows, n_items: int, hidden: Mask) -> dict[str, Any]:
    """Facts: measures of each arm by class of support, served less the best other arm with its p, and P90 coverage.

    arms: served first. hidden: sessions that went on to another offer of the same product, which served lists leave out
    by intent and other arms do not: the comparison with the best arm is of the other sessions.
    """
    values = {name: measured(lists, target, n_items) for name, lists in arms.items()}
    groups = {"all": np.ones(len(target), bool), **{name: classes == at for at, name in enumerate(CLASSES)}}
    served, *others = values
    shared = ~hidden if not hidden.all() else hidden
    best = max(others, key=lambda name: float(values[name][shared, 0].mean()))
    moved = (values[served] - values[best])[shared, 0]
    shown = arms[served].items[:, :10]
    return {
        "sessions": {name: int(rows.sum()) for name, rows in groups.items()},
        "same_product": int(hidden.sum()),
        "arms": {
            arm: {
                name: dict(zip(MEASURES, some[rows].mean(axis=0).round(5).tolist(), strict=True))
                for name, rows in groups.items()
                if rows.any()
            }
            for arm, some in values.items()
        },
        "best_other": best,
        "less_best_other": round(float(moved.mean()), 5),
        "p": float(permutation_p(moved[:, None])[0]),
        "less_popularity": round(float((values[served] - values["popularity"])[:, 0].mean()), 5),
        "p90_frac": index_behind(shown[shown >= 0], n_items),
    }

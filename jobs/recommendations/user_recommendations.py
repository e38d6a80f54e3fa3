"""Sessions and neighbours -> items for each active client.

python -m jobs user_recommendations --session_items session_items/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --item_neighbours item_neighbours/ds=2026-01-31/method=hybrid \\
    --user_recommendations user_recommendations/ds=2026-01-31/method=lists

lists    the neighbours of visited items, interleaved; a later visit weighs more
vectors  items nearest to the mean of the visited items' vectors, weighed alike (needs --embeddings)
als      matrix factorisation, by implicit
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from annotated_types import Interval

from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.lake.arrow import Rows, Strings, find, large, numbers, pick, texts
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.lake.windows import first_day, window
from jobs.platform.arguments import FIRST, CommandArgs, NonNegativeInt, PositiveInt, WindowDays
from jobs.platform.row_counts import published
from jobs.recommendations.read_lists import read_lists
from models.fusion.ranked_lists import Ranked
from models.recommendations.users import (
    ALS,
    LISTS,
    MEAN,
    WAYS,
    Factors,
    Matrix,
    by_factors,
    by_lists,
    by_vectors,
    fit_factors,
    histories,
    list_matrix,
)

COLUMNS = ["client_id", "item_id", "day", "session_id", "place", "bought"]
EVENTS = ["client_id", "item_id", "day", "session_id", "ordinal", "action"]


class Args(CommandArgs):
    """session_items         items of sessions: what clients visited and bought
    items                 the catalogue: living items
    user_recommendations  output; its key method is lists, vectors or als
    holdout_sessions      sessions that judge: they teach nothing, but a client's last visits and purchases are among them
    session_events        last day of the events of those sessions, with holdout_sessions
    item_neighbours       neighbours of items, for method lists
    embeddings            first shard of item vectors, for method vectors
    active_days           days within which a client was last seen
    decay                 weight of a visit relative to the one after it
    depth                 items for a client
    factors               of als
    block_clients         clients whose lists are made together: bounds memory
    seed                  of als
    """

    session_items: Partition
    items: Partition
    user_recommendations: Partition
    item_neighbours: Partition = NOWHERE
    embeddings: Partition = NOWHERE
    holdout_sessions: Partition = NOWHERE
    session_events: Partition = NOWHERE
    active_days: Annotated[WindowDays, FIRST] = 28
    decay: Annotated[float, Interval(gt=0, le=1), FIRST] = 0.9
    depth: Annotated[PositiveInt, FIRST] = 50
    factors: PositiveInt = 64
    block_clients: PositiveInt = 16_384
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        needed = {LISTS: self.item_neighbours, MEAN: self.embeddings, ALS: self.items}
        if bool(self.holdout_sessions) != bool(self.session_events):
            raise ValueError("session_events goes with holdout_sessions")
        if not needed.get(self.user_recommendations.values["method"]):
            raise ValueError(
                f"{self.user_recommendations}: expected method {', '.join(WAYS)}; lists needs item_neighbours,"
                " vectors embeddings"
            )


class Clients(NamedTuple):
    """Active clients: ids [U], visits and bought items as matrices [U, N]."""

    ids: Strings
    visits: Matrix
    bought: Matrix


def main(args: Args) -> dict[str, Any]:
    """Recommend, in blocks of clients."""
    sessions, items = pin(args.session_items), pin(args.items)
    lists = pin(args.item_neighbours) if args.item_neighbours else None
    shards = pin_shards(args.embeddings) if args.embeddings else []
    held_out = pin(args.holdout_sessions) if args.holdout_sessions else None
    days = _days_of(args, held_out) if held_out else []
    inputs = [sessions, items, *([lists] if lists else []), *shards, *([held_out] if held_out else []), *days]
    with publish(args.user_recommendations, args, inputs) as out:
        ids = large(read_table(items, ["item_id"]).sort_by("item_id").column("item_id").chunks)
        visited = _visits(sessions, held_out, days)
        clients, seen = _clients(args, visited, sessions.partition.ds, ids)
        ranked = _way(args, clients, lists, shards, ids)
        kept = 0
        for number, rows in enumerate(_blocks(len(clients.ids), args.block_clients)):
            part = _table(clients, rows, ranked(rows), ids)
            out.write_table(part, f"part-{number:05d}.parquet")
            kept += part.num_rows
        dropped = {"not active": seen - len(clients.ids), "nothing to recommend": len(clients.ids) - kept}
        out.count("clients", seen, kept, dropped)
        out.facts["coverage"] = kept / max(1, len(clients.ids))
    return published(out)


def _days_of(args: Args, held_out: Pinned) -> list[Pinned]:
    """The days of events in which sessions that were held out lie."""
    first = pc.min(read_table(held_out, ["day"], pc.field("split") != "train").column("day")).as_py()
    if first is None:
        return []
    # a session may begin on the day before its last
    days = (date.fromisoformat(args.session_events.ds) - first).days + 2
    return list(window(args.session_events, days).days)


def _visits(sessions: Pinned, held_out: Pinned | None, days: list[Pinned]) -> pa.Table:
    """Items that known clients visited, in order of client and time."""
    known: Any = pc.field("client_id").is_valid()
    tables = [read_table(sessions, COLUMNS, known)]
    if held_out is not None:
        judging = read_table(held_out, ["session_id"], pc.field("split") != "train").column("session_id").unique()
        for day in days:
            rows = read_table(day, EVENTS, known & pc.field("session_id").isin(judging))
            bought = pc.equal(rows.column("action"), pa.scalar("purchase"))
            rows = rows.append_column("bought", bought).rename_columns({"ordinal": "place"})
            tables.append(rows.select(COLUMNS))
    order = ("client_id", "day", "session_id", "place")
    return pa.concat_tables(tables, promote_options="permissive").sort_by([(name, "ascending") for name in order])


def _clients(args: Args, rows: pa.Table, ds: str, ids: Strings) -> tuple[Clients, int]:
    """Active clients in order of their ids, and how many clients there are."""
    seen = pc.count_distinct(rows.column("client_id")).as_py()
    last = rows.group_by("client_id").aggregate([("day", "max")])
    since = pa.scalar(first_day(ds, args.active_days)).cast(pa.date32())
    active = last.filter(pc.greater_equal(last.column("day_max"), since)).column("client_id")
    names = large(active.chunks)
    names = names.take(pc.sort_indices(names))
    user, item = find(large(rows.column("client_id").chunks), names), find(large(rows.column("item_id").chunks), ids)
    bought = (user >= 0) & (item >= 0) & numbers(rows, "bought").astype(bool)
    visited = (user >= 0) & (item >= 0)
    shape = (len(names), len(ids))
    visits = histories(user[visited], item[visited], *shape, args.decay)
    return Clients(names, visits, histories(user[bought], item[bought], *shape, 1.0)), int(seen)


def _way(
    args: Args, clients: Clients, lists: Pinned | None, shards: list[Pinned], ids: Strings
) -> Callable[[Rows], Ranked]:
    """The function that ranks a block of clients."""
    method, depth = args.user_recommendations.values["method"], args.depth
    if method == LISTS and lists is not None:
        neighbours = list_matrix(read_lists(lists, ids), len(ids))
        return lambda rows: by_lists(clients.visits[rows], neighbours, clients.bought[rows], depth)
    if method == MEAN:
        names, vectors = read_vectors(shards)
        if names != texts(ids):
            raise RuntimeError(f"{args.embeddings}: not of the items of {args.items}; embed this catalogue first")
        return lambda rows: by_vectors(clients.visits[rows], vectors, clients.bought[rows], depth)
    users, items = fit_factors(clients.visits, Factors(args.factors, seed=args.seed))
    return lambda rows: by_factors(users[rows], items, clients.bought[rows], depth)


def _blocks(count: int, size: int) -> Iterator[Rows]:
    for start in range(0, max(1, count), size):
        yield np.arange(start, min(count, start + size))


def _table(clients: Clients, rows: Rows, ranked: Ranked, ids: Strings) -> pa.Table:
    """Rows of clients that have a list."""
    some = np.flatnonzero((ranked.items >= 0).any(axis=1)) if len(rows) else rows
    items, scores = ranked.items[some], ranked.scores[some]
    there = items >= 0
    offsets = pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), pa.int32())
    visited = np.diff(clients.visits[rows[some]].indptr)
    return pa.table(
        {
            "client_id": pick(clients.ids, rows[some]).cast(pa.string()),
            "item_ids": pa.ListArray.from_arrays(offsets, pick(ids, items[there]).cast(pa.string())),
            "scores": pa.ListArray.from_arrays(offsets, pa.array(scores[there], pa.float32())),
            "visited": pa.array(visited, pa.int32()),
        }
    )

"""Items -> unit vectors of the item tower, one shard at a time; what did not change is taken over from an earlier day.

python -m jobs embeddings --items items/ds=2026-01-31 --towers towers/ds=2026-01-31/step=star \\
    --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2
python -m jobs embeddings ... --previous embeddings/ds=2026-01-30/space=7f3a5c1e9b2d4a60/shard=0of2
torchrun --nproc-per-node=8 -m jobs embeddings ...

Memory: the towers, the ids and content hashes of the shard's items today and on the earlier day, and six chunks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from jobs.bundle.tower_files import load_towers
from jobs.embeddings.delta import Delta, check_address, since
from jobs.embeddings.engines import ENGINES, by_processes, by_spark, unseen
from jobs.embeddings.id_check import census_of_items
from jobs.embeddings.outcome import account, check, seconds, write_ended
from jobs.embeddings.prefetch import Clock
from jobs.embeddings.shard_task import Done, Settings, Work, named, packed
from jobs.embeddings.writer import STORAGES
from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import NOWHERE, Partition, lake_root, trials_root
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.distributed import device, processes
from jobs.platform.progress import Advance, progress
from jobs.platform.tracking import mlflow_run
from models.towers.precision import PRECISIONS
from models.towers.space_id import items_space, space_id
from models.towers.two_tower import TwoTower
from models.training.distributed import Team

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Args:
    """items         catalogue snapshot to embed
    towers        trained towers
    embeddings    output; key towers is their space id, key shard says which part (0of1: everything)
    previous      the same shard of an earlier day: items whose content_hash is the same are taken over
                  from it; empty: everything is encoded
    precision     of the matrix products: fp32, bf16, or auto, bf16 where the device is fast at it
    storage       of the vectors: fp16, half the bytes, or fp32
    token_budget  tokens (trigrams, without BERT) of one forward pass; 0: as suits the device
    chunk_items   items that are read, encoded and written together: bounds memory
    engine        process: this one, or all that torchrun started; spark: tasks on Spark's executors
    tasks         Spark tasks that share the shard
    """

    items: Partition
    towers: Partition
    embeddings: Partition
    previous: Partition = NOWHERE
    precision: str = "auto"
    storage: str = "fp16"
    token_budget: int = 0
    chunk_items: int = 16_384
    engine: str = "process"
    tasks: int = 2

    def __post_init__(self) -> None:
        known = {"precision": PRECISIONS, "storage": tuple(STORAGES), "engine": ENGINES}
        for name, expected in known.items():
            if (found := getattr(self, name)) not in expected:
                raise ValueError(f"{name}={found!r}: expected one of {', '.join(expected)}")
        if self.token_budget < 0 or self.chunk_items < 1 or self.tasks < 1:
            raise ValueError("expected token_budget >= 0, chunk_items and tasks >= 1")
        if self.previous:
            check_address(self.previous, self.embeddings)

    @property
    def shard(self) -> tuple[int, int]:
        """Which shard of how many."""
        shard, shards = self.embeddings.values["shard"].split("of")
        return int(shard), int(shards)


def main(args: Args) -> dict[str, object] | None:
    """Embed the items of one shard; the first process of several publishes and answers."""
    if args.engine == "spark":
        return _publish(args, Team())
    with processes() as team:
        if team.rank == 0:
            return _publish(args, team)
        towers = load_towers(pin(args.towers)).to(device()).eval()
        work: Work | None = team.told(None)
        assert work is not None, "the first process tells"
        by_processes(work, team, towers, unseen)
        return None


def _publish(args: Args, team: Team) -> dict[str, object]:
    items, towers_in = pin(args.items), pin(args.towers)
    previous = pin(args.previous) if args.previous else None
    towers = load_towers(towers_in).eval()
    _same_space(args, towers)
    inputs = [items, towers_in, *([previous] if previous else [])]
    with mlflow_run("embeddings", args, inputs) as tracked, publish(args.embeddings, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        clock = Clock()
        with clock("wall"):
            with clock("census"):
                today = census_of_items(items, *args.shard)
                delta, full_because = since(today, previous, _kinds(args))
            work = _work(args, items, towers_in, previous, delta, out)
            with progress("embeddings", len(today), "items") as advance:
                shares = _shares(args, work, team, towers, advance)
            with clock("check"):
                ids_sha256 = check(out, args.items, today, shares)
        if not full_because:
            write_ended(out, delta.ended)
        figures = account(out, today, delta, shares, previous)
        spent = seconds(shares, **clock.seconds)
        out.facts.update(
            _kinds(args),
            **figures,
            seconds=spent,
            ids_sha256=ids_sha256,
            dim=towers.config.width,
            shard=args.shard[0],
            shards=args.shard[1],
            full_because=full_because,
        )
        tracked.measures(figures | {f"seconds/{stage}": taken for stage, taken in spent.items()})
        log.info("%s: %s", args.embeddings, ", ".join(f"{k} {v:,}" for k, v in figures.items()))
        log.info("%s: seconds %s", args.embeddings, ", ".join(f"{k} {v:.1f}" for k, v in spent.items()))
    return {"embeddings": str(args.embeddings), **figures}


def _kinds(args: Args) -> dict[str, object]:
    """What must be the same of an earlier shard, or its vectors are of another kind."""
    return {"space_id": args.embeddings.values["space"], "precision": args.precision, "storage": args.storage}


def _work(args: Args, items: Pinned, towers: Pinned, previous: Pinned | None, delta: Delta, out: Attempt) -> Work:
    return Work(
        items=named(items),
        towers=named(towers),
        previous=named(previous) if previous else None,
        uri=store.absolute(out.uri),
        lake=store.absolute(lake_root()),
        trials=store.absolute(trials_root()) if trials_root() else "",
        shard=args.shard[0],
        shards=args.shard[1],
        settings=Settings(args.precision, args.storage, args.token_budget, args.chunk_items),
        **packed(delta),
    )


def _shares(args: Args, work: Work, team: Team, towers: TwoTower, advance: Advance) -> list[Done]:
    if args.engine == "spark":
        return by_spark(work, args.tasks, advance)
    return by_processes(team.told(work), team, towers.to(device()), advance)


def _same_space(args: Args, towers: TwoTower) -> None:
    """Towers that keep others' item tower embed in the space of those as in their own."""
    found, expected = space_id(towers), args.embeddings.values["space"]
    if expected not in (found, items_space(towers)):
        raise ValueError(
            f"{args.embeddings}: {args.towers} has space id {found}, the address says {expected};"
            f" write to space={found}"
        )

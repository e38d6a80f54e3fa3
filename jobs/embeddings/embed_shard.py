"""Embed one shard with any encoder: plan the delta, run the engine, check ids out against ids in, publish.

Memory: the encoder, the ids and content hashes of the shard's items today and on the earlier day, and six chunks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.embeddings.delta import Delta, check_address, plan
from jobs.embeddings.encoder import Encoder, EncoderSource, name_of, pin_named
from jobs.embeddings.engines import ENGINES, by_processes, by_spark, unseen
from jobs.embeddings.id_check import ItemHashes, catalogue_hashes, digest, ids_on_disk, repeated
from jobs.embeddings.prefetch import StageClock
from jobs.embeddings.worker import PackedMask, ShardTask, WorkerResult, combined
from jobs.embeddings.writer import STORAGES
from jobs.lake import storage as store
from jobs.lake.arrow import Strings, table_of
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.partitions import NOWHERE, Partition, lake_root, trials_root
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, OneOf, PositiveInt
from jobs.platform.distributed import device, processes
from jobs.platform.progress import progress
from jobs.platform.tracking import mlflow_run
from models.training.distributed import ProcessGroup

log = logging.getLogger(__name__)
TOMBSTONES = "tombstones"
ENDED = f"{TOMBSTONES}/ended.parquet"


class ShardOptions(CommandArgs, kw_only=True):
    """previous     the same shard of an earlier day, from which unchanged items (same content_hash) are copied;
                 empty: everything is encoded
    storage      of the vectors; fp16 takes half the bytes
    chunk_items  items that are read, encoded and written together: bounds memory
    engine       process: this one, or all that torchrun started; spark: tasks on Spark's executors
    tasks        Spark tasks that share the shard
    """

    previous: Partition = NOWHERE
    storage: Annotated[str, OneOf(*STORAGES)] = "fp16"
    chunk_items: PositiveInt = 16_384
    engine: Annotated[str, OneOf(*ENGINES)] = "process"
    tasks: PositiveInt = 2


@dataclass(frozen=True)
class ShardJob:
    """One shard to embed: items in, embeddings out, by which encoder and with which options."""

    items: Partition
    embeddings: Partition
    source: EncoderSource
    options: ShardOptions

    def __post_init__(self) -> None:
        if self.options.previous:
            check_address(self.options.previous, self.embeddings)

    @property
    def shard(self) -> tuple[int, int]:
        """Number of the shard, and number of shards."""
        shard, shards = self.embeddings.values["shard"].split("of")
        return int(shard), int(shards)

    def kind(self, encoder: Encoder[Any]) -> dict[str, object]:
        """Facts that an earlier shard must have too, or its vectors are of another kind."""
        return {"space_id": self.embeddings.values["space"], **encoder.settings, "storage": self.options.storage}


def embed_shard(
    items: Partition, embeddings: Partition, source: EncoderSource, options: ShardOptions
) -> dict[str, object] | None:
    """Embed one shard. Of several processes the first publishes and returns the figures, the others return None.

    options: the job's `Args`, which the manifest and MLflow record.

    Raises:
        ValueError: the encoder is of another space than the address, or an item has no id or occurs twice.
        RuntimeError: ids out are not ids in.
    """
    job = ShardJob(items, embeddings, source, options)
    if options.engine == "spark":
        return _publish(job, ProcessGroup(), source.load("cpu"))
    with processes() as team:
        encoder = source.load(device())
        if team.rank == 0:
            return _publish(job, team, encoder)
        task: ShardTask | None = team.broadcast(None)
        assert task is not None, "the first process sends it"
        by_processes(task, team, encoder, unseen)
        return None


def _publish(job: ShardJob, team: ProcessGroup, encoder: Encoder[Any]) -> dict[str, object]:
    _check_space(job, encoder)
    items = pin(job.items)
    previous = pin(job.options.previous) if job.options.previous else None
    inputs = [items, *map(pin_named, job.source.inputs), *([previous] if previous else [])]
    with mlflow_run("embeddings", job.options, inputs) as tracked, publish(job.embeddings, job.options, inputs) as out:
        out.mlflow_run_id = tracked.id
        clock = StageClock()
        with clock("wall"):
            with clock("id check"):
                today = catalogue_hashes(items, encoder, *job.shard)
                delta, full_because = plan(today, previous, job.kind(encoder))
            task = _task(job, items, previous, delta, out)
            results = _run(job, task, team, encoder, len(today))
            with clock("check"):
                ids_sha256 = check_ids(out, job.items, today, results)
        if not full_because:
            write_ended(out, delta.ended)
        out.count("items", today.read, len(today), {"other shards": today.read - len(today)})
        figures = _figures(today, delta, results, previous)
        seconds = _seconds(results, clock)
        out.facts.update(job.kind(encoder), **figures, seconds=seconds, ids_sha256=ids_sha256, dim=encoder.width)
        out.facts.update(shard=job.shard[0], shards=job.shard[1], full_because=full_because)
        tracked.measures(figures | {f"seconds/{stage}": taken for stage, taken in seconds.items()})
        log.info("%s: %s", job.embeddings, ", ".join(f"{name} {value:,}" for name, value in figures.items()))
        log.info("%s: seconds %s", job.embeddings, ", ".join(f"{name} {took:.1f}" for name, took in seconds.items()))
    return {"embeddings": str(job.embeddings), **figures}


def _check_space(job: ShardJob, encoder: Encoder[Any]) -> None:
    space = job.embeddings.values["space"]
    if space not in encoder.spaces:
        models = ", ".join(address for address, _ in job.source.inputs)
        raise ValueError(
            f"{job.embeddings}: the encoder ({models}) has space id {encoder.spaces[0]}, the address says {space};"
            f" write to space={encoder.spaces[0]}"
        )


def _task(job: ShardJob, items: Pinned, previous: Pinned | None, delta: Delta, out: Attempt) -> ShardTask:
    return ShardTask(
        items=name_of(items),
        encoder=job.source,
        previous=name_of(previous) if previous else None,
        uri=store.absolute(out.uri),
        lake=store.absolute(lake_root()),
        trials=store.absolute(trials_root()) if trials_root() else "",
        shard=job.shard[0],
        shards=job.shard[1],
        storage=job.options.storage,
        chunk_items=job.options.chunk_items,
        to_encode=PackedMask.of(delta.to_encode),
        to_keep=PackedMask.of(delta.to_keep),
    )


def _run(job: ShardJob, task: ShardTask, team: ProcessGroup, encoder: Encoder[Any], items: int) -> list[WorkerResult]:
    with progress("embeddings", items, "items") as advance:
        if job.options.engine == "spark":
            return by_spark(task, job.options.tasks, advance)
        return by_processes(team.broadcast(task), team, encoder, advance)


def check_ids(out: Attempt, items: Partition, today: ItemHashes, results: list[WorkerResult]) -> str:
    """Read the ids back from the files: those of the catalogue, each once. Returns their digest.

    Raises:
        RuntimeError: ids out are not ids in.
    """
    written = ids_on_disk(out.uri, [name for result in results for name in result.files])
    ids_sha256 = digest(written)
    if ids_sha256 != digest(today.item_ids):
        lost: Any = pc.invert(pc.is_in(today.item_ids, value_set=written))
        alien: Any = pc.invert(pc.is_in(written, value_set=today.item_ids))
        raise RuntimeError(
            f"{out.partition}: {len(written):,} ids written for {len(today):,} of {items}:"
            f" {pc.sum(lost).as_py() or 0:,} lost, {pc.sum(alien).as_py() or 0:,} not of"
            f" the catalogue, {(repeated(written) or (0,))[0]:,} repeated; this is a defect of the job"
        )
    fault_point("embeddings.checked")
    return ids_sha256


def write_ended(out: Attempt, ended: Strings) -> None:
    """Write the ids of items removed since the earlier day (`tombstones/`), even when there are none."""
    folder = out.folder / TOMBSTONES
    folder.mkdir()
    ids = ended.cast(pa.string())
    table = table_of({"item_id": ids.take(pc.sort_indices(ids))})
    pq.write_table(table, out.folder / ENDED, compression="zstd", write_page_checksum=True)


def _figures(today: ItemHashes, delta: Delta, results: list[WorkerResult], previous: Pinned | None) -> dict[str, Any]:
    """Items encoded and taken over, the rate, and the time that taking over has saved.

    saved_s: an estimate: the items taken over at the rate measured today, less the time spent on taking them over. Where
    the earlier day encoded more items, its rate is used, because a few items do not show the rate of many.
    """
    total = combined(results)
    rate = total.encoded / total.wall_s if total.encoded else 0.0
    before = previous.facts if previous else {}
    known_rate = rate
    if before.get("items_s") and int(before.get("encoded", 0)) > total.encoded:
        known_rate = float(before["items_s"])
    spent_s = max(result.seconds.get("take over", 0.0) for result in results)
    saved_s = total.taken_over / known_rate - spent_s if total.taken_over and known_rate else 0.0
    return {
        "items": len(today),
        "encoded": total.encoded,
        "taken_over": total.taken_over,
        "ended": len(delta.ended),
        "encoded_frac": round(total.encoded / max(1, len(today)), 6),
        "items_s": round(rate, 2),
        "saved_s": round(saved_s, 1),
        "padding_frac": round(total.padding / max(1, total.tokens + total.padding), 4),
        "processes": len(results),
        "workers": len({result.process for result in results}),
        "encoders_loaded": total.loaded,
    }


def _seconds(results: list[WorkerResult], clock: StageClock) -> dict[str, float]:
    """Seconds by stage, of all processes together: stages overlap, so they add up to more than the wall."""
    stages = {**combined(results).seconds, **clock.seconds}
    return {name.replace(" ", "_"): round(taken, 3) for name, taken in stages.items()}

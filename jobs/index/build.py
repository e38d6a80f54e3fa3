"""Codes of all shards -> the bundle that serves queries.

python -m jobs index --codes codes/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --trained_index trained_index/ds=2026-01-31/space=7f3a5c1e9b2d4a60 \\
    --embeddings embeddings/ds=2026-01-31/space=7f3a5c1e9b2d4a60/shard=0of2 \\
    --towers towers/ds=2026-01-31/step=star --items items/ds=2026-01-31 \\
    --queries queries/ds=2026-01-31 --index index/ds=2026-01-31/space=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import logging
import math
import shutil
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc

from jobs.bundle import files
from jobs.bundle.export_onnx import write_query_tower
from jobs.bundle.near_duplicates import AUTO, threshold_of
from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import relevance_scale
from jobs.embeddings.read_shards import catalogue, pin_shards
from jobs.index.assemble import MergedCodes, assemble, pin_codes
from jobs.index.clusters import write_clusters
from jobs.index.hybrid import ArmSettings, DevQueries, fit_served, write_sparse
from jobs.index.item_numbers import write_items_of_rankers
from jobs.index.search_parameters import tune_search
from jobs.index.shard_codes import CodedShard
from jobs.index.tune import TrainedIndex
from jobs.index.tuning_queries import judged_by_labels, relevant_keys, tuning_queries
from jobs.lake.arrow import Strings, large, pick, strings, texts
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform.arguments import FIRST, Fraction, NonNegativeFloat, NonNegativeInt, OneOf
from jobs.platform.tracking import mlflow_run
from models.ann.cutoff import CHOICES, FITTED
from models.text.analyser import GUESSED_TEXTS, guess_language
from models.towers.encode import encode_queries
from models.towers.space_id import items_space, space_id
from models.towers.two_tower import TwoTower

log = logging.getLogger(__name__)
SHOWN = ("factory", "search", "recall", "items", "lists")
CANARIES = 64  # items that `verify` looks up by their own text


class Args(ArmSettings):
    """codes            first shard (0ofN); its siblings are read too
    trained_index    the index that made the codes
    embeddings       first shard of the vectors: recall is measured against exact search in them
    towers           the towers that made them
    items            catalogue snapshot: titles, and texts for the sparse arm
    queries          real queries: search parameters are tuned on those of split dev
    index            output: the bundle
    qrels            judgements of dev queries: k1 and b of BM25, the fusion of the arms and the cut-off are
                     fitted on them
    item_features    numbers of the items, for rankers; empty: the bundle has none, and no ranker can serve on it
    previous         index in service: its search parameters are tried first where the trained index is the
                     same, and its number of items is compared
    cutoff           end of the served lists: knee, threshold (a share of the best score) or fixed, both fitted on qrels; none; or
                     auto: of those that keep 95% of the relevant items retrieved, the one that shows the
                     fewest; without qrels the knee
    lookalikes       cosine with a better result from which an item is dropped: a number, off, or auto, which
                     fits it on qrels: most duplicates dropped for a loss of at most 0.5% of the relevant items
    min_relevance    relevance from which a judged item counts; 0: as the judgements' own scale says
    disk_above_gb    codes of more GB are written to a file that services may map; the merge then holds one
                     block of them in memory
    max_shrink_frac  share of the items in service that may be missing before the command stops
    seed             of the sampled items that `verify` checks
    """

    codes: Partition
    trained_index: Partition
    embeddings: Partition
    towers: Partition
    items: Partition
    queries: Partition
    index: Partition
    qrels: Partition = NOWHERE
    item_features: Partition = NOWHERE
    previous: Partition = NOWHERE
    cutoff: Annotated[str, OneOf(*CHOICES), FIRST] = "auto"
    lookalikes: Annotated[str, FIRST] = "off"
    min_relevance: float = 0.0
    disk_above_gb: NonNegativeFloat = 4.0
    max_shrink_frac: Annotated[Fraction, FIRST] = 0.05
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.cutoff in FITTED and not self.qrels:
            raise ValueError(f"cutoff={self.cutoff}: is fitted on judgements, give qrels")
        threshold_of(self.lookalikes)
        if self.lookalikes == AUTO and not self.qrels:
            raise ValueError("lookalikes=auto: is fitted on judgements, give qrels")
        if self.item_features and self.item_features.ds > self.items.ds:
            raise ValueError(f"item_features={self.item_features}: of a later day than {self.items}")


@dataclass(frozen=True)
class BundleInputs:
    """Pinned inputs of the bundle."""

    codes: list[Pinned]
    trained_index: Pinned
    embeddings: list[Pinned]
    towers: Pinned
    items: Pinned
    queries: Pinned
    qrels: Pinned | None
    previous: Pinned | None
    item_features: Pinned | None = None

    @property
    def all(self) -> list[Pinned]:
        """Every input, in the order of the manifest."""
        optional = [pinned for pinned in (self.qrels, self.previous, self.item_features) if pinned is not None]
        return [*self.codes, self.trained_index, *self.embeddings, self.towers, self.items, self.queries, *optional]

    def check(self) -> None:
        """Refuse codes, trained index, vectors and items that do not belong together.

        Raises:
            RuntimeError: they are of different trained indexes or catalogues.
        """
        first = self.codes[0]
        if first.facts["quantiser_id"] != self.trained_index.facts["quantiser_id"]:
            raise RuntimeError(
                f"{first.partition}: coded by trained_index {first.facts['quantiser_id']},"
                f" {self.trained_index.partition} is {self.trained_index.facts['quantiser_id']}; run jobs.index.codes again"
            )
        expected = self.items.manifest.content_sha256
        embedded = self.embeddings[0]
        for shard, content in ((first, first.facts["catalogue"]), (embedded, catalogue(embedded))):
            if content != expected:
                raise RuntimeError(
                    f"{shard.partition}: of another catalogue ({content[:12]}) than {self.items.partition}"
                    f" ({expected[:12]}); embed and code this catalogue first"
                )

    def earlier_search(self) -> dict[str, float]:
        """Search parameters of the previous index, where it has the same trained index; else empty."""
        if self.previous is None or self.previous.facts.get("quantiser_id") != self.trained_index.facts["quantiser_id"]:
            return {}
        return dict(self.previous.facts["search"])

    def changes(self) -> dict[str, Any]:
        """Items encoded, coded, taken over and ended over all shards, and the decision on the trained index."""
        names = ("encoded", "taken_over", "ended")
        embedded = {name: sum(shard.facts.get(name, 0) for shard in self.embeddings) for name in names}
        coded = {name: sum(shard.facts[name] for shard in self.codes) for name in ("coded", "taken_over", "ended")}
        kept = ("decision", "reasons", "trained_on", "then", "now", "quantiser_id")
        trained_index = {name: self.trained_index.facts[name] for name in kept}
        return {"embedded": embedded, "coded": coded, "trained_index": trained_index}


def main(args: Args) -> dict[str, Any]:
    """Merge, tune, check and publish the bundle."""
    inputs = BundleInputs(
        codes=pin_codes(args.codes),
        trained_index=pin(args.trained_index),
        embeddings=pin_shards(args.embeddings),
        towers=pin(args.towers),
        items=pin(args.items),
        queries=pin(args.queries),
        qrels=pin(args.qrels) if args.qrels else None,
        previous=pin(args.previous) if args.previous else None,
        item_features=pin(args.item_features) if args.item_features else None,
    )
    inputs.check()
    with mlflow_run("index", args, inputs.all) as tracked:
        with publish(args.index, args, inputs.all) as out:
            out.mlflow_run_id = tracked.id
            _build(args, inputs, out)
        figures = {name: float(out.facts[name]) for name in ("recall", "items")}
        tracked.measures(figures | out.facts["latency_ms"] | out.facts["search"])
        if out.manifest is not None:
            tracked.output({entry.name: entry.sha256 for entry in out.manifest.files}, out.uri)
    return {"index": str(args.index), **{name: out.facts[name] for name in SHOWN}}


def _build(args: Args, inputs: BundleInputs, out: Attempt) -> None:
    towers = load_towers(inputs.towers)
    check_space(args.index, inputs, towers)
    merged = MergedCodes.of([CodedShard.open(shard) for shard in inputs.codes])
    if inputs.previous is not None:
        guard_size(len(merged.ids), int(inputs.previous.facts["items"]), args.max_shrink_frac, args.index)
    for name in files.TOWERS_FILES:
        shutil.copyfile(inputs.towers.path(name), out.folder / name)  # checked against its manifest on the way
    dev = _dev_queries(args, inputs, towers, merged.ids)
    item_texts, language = write_catalogue(inputs.items, merged.ids, args.language, args.seed, out)
    if inputs.item_features is not None:
        write_items_of_rankers(inputs.item_features, inputs.items, inputs.queries, merged.ids, language, out)
    sparse = write_sparse(args, item_texts, language, dev, args.seed, out)
    write_query_tower(towers, out.folder, dev.queries)
    filled = assemble(merged, TrainedIndex.open(inputs.trained_index), args.disk_above_gb, out.folder)
    fault_point("index.merged")
    dataset = inputs.embeddings, merged.ids, dev.vectors, dev.relevant
    facts = tune_search(args, filled, *dataset, inputs.earlier_search(), dev.labelled)
    files.write_index(filled.index, out.folder / files.INDEX_FILE)
    out.facts.update(facts, format=files.BUNDLE_FORMAT, space_id=args.index.values["space"], lists=filled.lists)
    out.facts.update(changed=inputs.changes())
    clusters = write_clusters(args.clusters, inputs.embeddings, merged.ids, args.seed, out)
    fitted_on = merged.ids, inputs.items, clusters
    served = fit_served(args, args.cutoff, args.lookalikes, filled.index, sparse, dev, facts["search"], *fitted_on)
    out.facts.update(served)
    # a second run writes the same bytes: measured times are in the manifest only
    steady = {name: value for name, value in out.facts.items() if name != "latency_ms"}
    files.write_json(steady, out.folder / files.FACTS_FILE)
    out.count("items", inputs.items.manifest.rows, len(merged.ids), {})


def _dev_queries(args: Args, inputs: BundleInputs, towers: TwoTower, ids: Strings) -> DevQueries:
    """The dev queries that everything is tuned on, with their vectors and judgements."""
    rows = tuning_queries(inputs.queries, args.tuning_queries, inputs.qrels)
    queries = strings(rows, "query")
    relevant = judged = None
    labelled = False
    if inputs.qrels is not None:
        relevant = relevant_keys(inputs.qrels, relevance_scale(inputs.qrels, args.min_relevance)[0], rows, ids)
        judged = relevant_keys(inputs.qrels, -math.inf, rows, ids)
        labelled = judged_by_labels(inputs.qrels)
    return DevQueries(queries, encode_queries(towers, queries), relevant, judged, labelled)


def check_space(index: Partition, inputs: BundleInputs, towers: TwoTower) -> None:
    """Refuse towers whose queries would be compared with items of another space.

    Raises:
        RuntimeError: the space ids differ.
    """
    space, embedded = space_id(towers), inputs.embeddings[0].partition.values["space"]
    coded = inputs.codes[0].facts["space_id"]
    # a refreshed query tower keeps the embeddings of the towers it came from
    if embedded not in (space, items_space(towers)) or coded != embedded or space != index.values["space"]:
        raise RuntimeError(
            f"{index}: {inputs.towers.partition} has space id {space},"
            f" {inputs.embeddings[0].partition} and codes of {coded} are of another or go to another;"
            " queries and items must meet in one space"
        )


def guard_size(now: int, before: int, max_shrink_frac: float, partition: Partition) -> float:
    """Stop when the number of items fell by more than max_shrink_frac; returns the fraction, negative for growth.

    A much smaller index comes from a broken catalogue, not from a smaller shop. before: items of the previous index; 0
    means that there is none to compare with.

    Raises:
        RuntimeError: the number of items fell too far.
        ValueError: max_shrink_frac is not in [0, 1].
    """
    if not 0 <= max_shrink_frac <= 1:
        raise ValueError(f"max_shrink_frac={max_shrink_frac}: expected 0 to 1")
    shrunk = 1 - now / before if before > 0 else 0.0
    if shrunk > max_shrink_frac:
        raise RuntimeError(
            f"{partition}: {now:,} items, {shrunk:.1%} fewer than the {before:,} of the index before, expected at"
            f" most {max_shrink_frac:.1%} fewer; is the day's catalogue complete? If so many items did end, build"
            " with a larger max_shrink_frac"
        )
    return shrunk


def write_catalogue(items: Pinned, ids: Strings, language: str, seed: int, out: Attempt) -> tuple[Strings, str]:
    """Write the ids with titles and the canaries, in the order of ids; returns the item texts and their language.

    Raises:
        RuntimeError: the items are not those of the ids.
    """
    rows = read_table(items, ["item_id", "title", "text"])
    item_ids, titles, item_texts = (large(column.chunks) for column in rows.columns)
    del rows
    order = pc.sort_indices(item_ids)
    item_ids = item_ids.take(order)
    if not item_ids.equals(ids):
        strange = set(item_ids.to_pylist()) ^ set(ids.to_pylist())
        raise RuntimeError(
            f"{out.partition}: {len(ids):,} codes for {len(item_ids):,} items of {items.partition},"
            f" {len(strange):,} only on one side; embed and code this catalogue first"
        )
    files.write_ids(item_ids, titles.take(order), out.folder)
    item_texts = item_texts.take(order)
    if language == "auto":
        language = guess_language(texts(item_texts.slice(0, GUESSED_TEXTS)))
    out.facts["language"] = language
    drawn = np.sort(np.random.default_rng(seed).choice(len(ids), min(CANARIES, len(ids)), False))
    canaries = dict(zip(texts(pick(item_ids, drawn)), texts(pick(item_texts, drawn)), strict=True))
    files.write_json(canaries, out.folder / files.CANARIES_FILE)
    return item_texts, language

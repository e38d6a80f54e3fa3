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
from typing import Annotated, Any

from jobs.bundle import files
from jobs.bundle.export_onnx import write_query_tower
from jobs.bundle.near_duplicates import AUTO, threshold_of
from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import relevance_scale
from jobs.embeddings.read_shards import pin_shards
from jobs.index.assemble import assemble
from jobs.index.catalogue import write_catalogue
from jobs.index.guard import guard_size
from jobs.index.hybrid import ArmSettings, DevQueries, fit_served, write_sparse
from jobs.index.inputs import Sources, check_space
from jobs.index.merge_shards import Merged, pin_codes
from jobs.index.search_parameters import examine
from jobs.index.shard_codes import Shard
from jobs.index.trained_index import TrainedIndex
from jobs.index.tuning_queries import relevant_keys, tuning_queries
from jobs.lake.arrow import Strings, strings
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, Fraction, NonNegativeFloat, NonNegativeInt, OneOf
from jobs.platform.tracking import mlflow_run
from models.ann.cutoff import CHOICES, FITTED
from models.towers.encode import encode_queries
from models.towers.two_tower import TwoTower

log = logging.getLogger(__name__)
SHOWN = ("factory", "search", "recall", "items", "lists")


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


def main(args: Args) -> dict[str, Any]:
    """Merge, tune, check and publish the bundle."""
    source = Sources(
        codes=pin_codes(args.codes),
        trained_index=pin(args.trained_index),
        embeddings=pin_shards(args.embeddings),
        towers=pin(args.towers),
        items=pin(args.items),
        queries=pin(args.queries),
        qrels=[pin(args.qrels)] if args.qrels else [],
        previous=[pin(args.previous)] if args.previous else [],
    )
    source.check()
    with mlflow_run("index", args, source.all) as tracked:
        with publish(args.index, args, source.all) as out:
            out.mlflow_run_id = tracked.id
            _build(args, source, out)
        figures = {name: float(out.facts[name]) for name in ("recall", "items")}
        tracked.measures(figures | out.facts["latency_ms"] | out.facts["search"])
        if out.manifest is not None:
            tracked.output({entry.name: entry.sha256 for entry in out.manifest.files}, out.uri)
    return {"index": str(args.index), **{name: out.facts[name] for name in SHOWN}}


def _build(args: Args, source: Sources, out: Attempt) -> None:
    towers = load_towers(source.towers)
    check_space(args.index, source, towers)
    merged = Merged.of([Shard.open(one) for one in source.codes])
    for one in source.previous:  # at most one
        guard_size(len(merged.ids), int(one.facts["items"]), args.max_shrink_frac, args.index)
    files.copy_towers(source.towers, out.folder)
    dev = _dev_queries(args, source, towers, merged.ids)
    words, language = write_catalogue(source.items, merged.ids, args.language, args.seed, out)
    sparse = write_sparse(args, words, language, dev, args.seed, out)
    write_query_tower(towers, out.folder, dev.queries)
    trained_index = TrainedIndex.open(source.trained_index)
    made = assemble(merged, trained_index, args.disk_above_gb, out.folder)
    fault_point("index.merged")
    facts = examine(args, source, made, merged.ids, dev.vectors, [] if dev.relevant is None else [dev.relevant])
    files.write_index(made.index, out.folder / files.INDEX_FILE)
    out.facts.update(facts, format=files.BUNDLE_FORMAT, space_id=args.index.values["space"], lists=made.lists)
    out.facts.update(changed=source.changes())
    catalogue = merged.ids, source.items
    served = fit_served(args, args.cutoff, args.lookalikes, made.index, sparse, dev, facts["search"], *catalogue)
    out.facts.update(served)
    # a second run makes the same bytes: what a clock said stands in the manifest alone
    steady = {name: value for name, value in out.facts.items() if name != "latency_ms"}
    files.write_json(steady, out.folder / files.FACTS_FILE)
    out.count("items", source.items.manifest.rows, len(merged.ids), {})


def _dev_queries(args: Args, source: Sources, towers: TwoTower, ids: Strings) -> DevQueries:
    """The dev queries that everything is tuned on, with their vectors and judgements."""
    rows = tuning_queries(source.queries, args.tuning_queries)
    queries = strings(rows, "query")
    relevant = judged = None
    for qrels in source.qrels:  # at most one
        relevant = relevant_keys(qrels, relevance_scale(qrels, args.min_relevance)[0], rows, ids)
        judged = relevant_keys(qrels, -math.inf, rows, ids)
    return DevQueries(queries, encode_queries(towers, queries), relevant, judged)

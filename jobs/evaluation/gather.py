"""From pinned partitions to the data of a report: measures, segments, comparisons, and the gate's verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import relevance_scale
from jobs.evaluation.comparisons import compare, pairs_of
from jobs.evaluation.diversity import variety
from jobs.evaluation.gate_evidence import gate_evidence
from jobs.evaluation.history import earlier_nights
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.evaluation.query_segments import segments_of
from jobs.evaluation.room import ReportRoom
from jobs.evaluation.second_relevance import second_view
from jobs.evaluation.seen_unseen import SeenUnseen, seen_unseen
from jobs.evaluation.segment_tables import segment_rows, where_dense_helps
from jobs.evaluation.tables import ReportData
from jobs.evaluation.training_exposure import trained_items
from jobs.lake.ancestry import Ancestor, ancestry, each
from jobs.lake.arrow import Strings
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, read_table
from models.evaluation.gate import GateLimits, Verdict, judge


@dataclass(frozen=True)
class ReportInputs:
    """Pinned inputs of a report."""

    rankings: Pinned
    index: Pinned
    queries: Pinned
    qrels: Pinned
    items: Pinned
    pairs: Pinned | None
    alt_relevance: Pinned | None
    sweep: Pinned | None

    @property
    def all(self) -> list[Pinned]:
        """Every input, as the manifest names them."""
        optional = (self.pairs, self.alt_relevance, self.sweep)
        required = [self.rankings, self.index, self.queries, self.qrels, self.items]
        return [*required, *(pinned for pinned in optional if pinned is not None)]

    def check(self) -> None:
        """Refuse to judge rankings by other inputs than those that they were made from.

        Raises:
            RuntimeError: an input has another version now.
        """
        ranked = {(source.partition, source.manifest_sha256) for source in self.rankings.manifest.inputs}
        for pinned in (self.index, self.queries, self.qrels):
            if (str(pinned.partition), pinned.manifest_sha256) not in ranked:
                raise RuntimeError(
                    f"{self.rankings.partition}: not made from the present version of {pinned.partition}"
                    f" (manifest {pinned.manifest_sha256[:12]}); rank again"
                )


class _Tables(NamedTuple):
    """Rows of the inputs: rankings to their depth, judgements of all splits and of the ranked queries, queries, items."""

    ranked: pa.Table
    every_split: pa.Table
    judgements: pa.Table
    queries: pa.Table
    items: pa.Table


def gather(
    room: ReportRoom,
    report: Partition,
    inputs: ReportInputs,
    limits: GateLimits,
    min_relevance: float,
    zero_gain: float,
    action: str,
) -> ReportData:
    """Measure every arm by segments, compare, judge. min_relevance 0: from the scale. action: of impressions."""
    tables = _tables(inputs)
    scale = relevance_scale(inputs.qrels, min_relevance, zero_gain)
    known_items = trained_items(inputs.index, inputs.pairs)
    evaluation = _evaluate(tables, scale, int(inputs.rankings.facts["depth"]), known_items)
    tested = tables.ranked.filter(pc.field("query_id").isin(pa.array(evaluation.judgements.query_ids)))
    ancestors = list(each(ancestry(inputs.rankings)))
    return ReportData(
        room=room,
        report=report,
        evaluation=evaluation,
        verdict=_verdict(room, inputs, evaluation, tables, ancestors, limits),
        compared=compare(evaluation, pairs_of(room, evaluation)),
        rankings_rows=tables.ranked,
        judgements=tables.judgements,
        queries_rows=tables.queries,
        items_rows=tables.items,
        rankings=inputs.rankings,
        index=inputs.index,
        ancestors=ancestors,
        limits=limits,
        min_relevance=scale[0],
        seen_unseen=_seen_unseen(tables, known_items, scale),
        segments=segment_rows(room, evaluation, limits.min_support),
        dense_helps=where_dense_helps(evaluation, limits.min_support),
        variety=variety(tested, tables.items, [arm for arm in evaluation.arms if not arm.startswith("champion_")]),
        second=_second_view(inputs.alt_relevance, action, tested, tables.judgements, evaluation.depth),
        nights=earlier_nights(room, report),
    )


def _tables(inputs: ReportInputs) -> _Tables:
    facts = inputs.rankings.facts
    # a served list may be longer than the arms beside it
    ranked = read_table(inputs.rankings).filter(pc.field("rank") <= int(facts["depth"]))
    every_split = read_table(inputs.qrels, ["query_id", "item_id", "relevance", "split", "source"])
    # queries that were not ranked were left out on purpose: training saw them under another spelling
    was_ranked = pc.field("query_id").isin(ranked.column("query_id").unique())
    return _Tables(
        ranked,
        every_split,
        every_split.filter((pc.field("split") == facts["split"]) & was_ranked),
        read_table(inputs.queries, ["query_id", "query", "searches", "segment"]),
        read_table(inputs.items, ["item_id", "title", "category", "brand", "group_id"]),
    )


def _evaluate(tables: _Tables, scale: tuple[float, float], depth: int, known_items: Strings | None) -> Evaluation:
    evaluation = evaluate(tables.ranked, tables.judgements, *scale, depth)
    groups = segments_of(evaluation.judgements, tables.queries, tables.items, known_items)
    return replace(evaluation, groups=groups)


def _seen_unseen(tables: _Tables, known_items: Strings | None, scale: tuple[float, float]) -> list[SeenUnseen]:
    return [] if known_items is None else seen_unseen(tables.ranked, tables.every_split, known_items, *scale)


def _second_view(
    relevance: Pinned | None, action: str, tested: pa.Table, judgements: pa.Table, depth: int
) -> Evaluation | None:
    return None if relevance is None else second_view(relevance, action, tested, judgements, depth)


def _verdict(
    room: ReportRoom,
    inputs: ReportInputs,
    evaluation: Evaluation,
    tables: _Tables,
    ancestors: list[Ancestor],
    limits: GateLimits,
) -> Verdict:
    pinned = inputs.rankings, inputs.index
    evidence = gate_evidence(room, evaluation, tables.ranked, *pinned, tables.judgements, ancestors)
    limits = replace(limits, arms=room.compared_arms(evaluation.arms))
    return judge(*evidence, limits, {f"{group}: {name}": rows for group, name, rows in evaluation.segments()})

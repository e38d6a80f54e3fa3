"""From pinned partitions to the data of a report: measures, segments, comparisons, and the gate's verdict."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import relevance_scale
from jobs.evaluation.comparisons import compare, measures_of, pairs_of
from jobs.evaluation.diversity import variety
from jobs.evaluation.gate_evidence import gate_evidence
from jobs.evaluation.history import earlier_nights
from jobs.evaluation.measures import evaluate
from jobs.evaluation.query_segments import segments_of
from jobs.evaluation.report_data import ReportData, ReportInputs, ReportRows
from jobs.evaluation.room import ReportRoom
from jobs.evaluation.second_relevance import second_view
from jobs.evaluation.seen_unseen import seen_unseen
from jobs.evaluation.segment_tables import segment_rows, where_dense_helps
from jobs.evaluation.training_exposure import trained_items
from jobs.lake.ancestry import ancestry, each
from jobs.lake.partitions import Partition
from jobs.lake.read import read_table
from models.evaluation.gate import GateLimits, judge


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
    rows = _rows(room, inputs)
    scale = relevance_scale(inputs.qrels, min_relevance, zero_gain)
    known_items = trained_items(inputs.index, inputs.pairs)
    depth = int(inputs.rankings.facts["depth"])
    evaluation = evaluate(rows.ranked, rows.judgements, *scale, depth, room.more_measures)
    judgements, second = evaluation.judgements, inputs.alt_relevance
    evaluation = replace(evaluation, groups=segments_of(room, judgements, rows.queries, rows.items, known_items))
    tested = rows.ranked.filter(pc.field("query_id").isin(pa.array(judgements.query_ids)))
    ancestors = list(each(ancestry(inputs.rankings)))
    compared_limits = replace(limits, arms=room.compared_arms(evaluation.arms))
    evidence = gate_evidence(room, evaluation, rows.ranked, inputs.rankings, inputs.index, rows.judgements, ancestors)
    segments = {f"{group}: {name}": queries for group, name, queries in evaluation.segments()}
    return ReportData(
        room=room,
        report=report,
        inputs=inputs,
        rows=rows,
        evaluation=evaluation,
        verdict=judge(*evidence, compared_limits, segments),
        compared=compare(evaluation, pairs_of(room, evaluation), measures_of(room)),
        ancestors=ancestors,
        limits=limits,
        min_relevance=scale[0],
        seen_unseen=seen_unseen(rows.ranked, rows.every_split, known_items, *scale) if room.searches else [],
        segments=segment_rows(room, evaluation, limits.min_support),
        dense_helps=where_dense_helps(evaluation, limits.min_support),
        variety=variety(tested, rows.items, [arm for arm in evaluation.arms if not arm.startswith("champion_")]),
        second=second_view(second, action, tested, rows.judgements, evaluation.depth) if second else None,
        nights=earlier_nights(room, report),
    )


def _rows(room: ReportRoom, inputs: ReportInputs) -> ReportRows:
    facts = inputs.rankings.facts
    # a served list may be longer than the arms beside it
    ranked = read_table(inputs.rankings).filter(pc.field("rank") <= int(facts["depth"]))
    mine = None if room.searches else pc.field("split") == facts["split"]
    every_split = read_table(inputs.qrels, ["query_id", "item_id", "relevance", "split", "source"], mine)
    # queries that were not ranked were left out on purpose: training saw them under another spelling
    was_ranked = pc.field("query_id").isin(ranked.column("query_id").unique())
    items = read_table(inputs.items, ["item_id", "title", "category", "brand", "group_id"])
    queries = read_table(inputs.queries, ["query_id", "query", "searches", "segment"], was_ranked)
    judged = every_split.filter((pc.field("split") == facts["split"]) & was_ranked)
    return ReportRows(ranked, every_split, judged, queries, items)

"""From pinned partitions to all that a report is made of: measured, cut into segments, compared, judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from jobs.datasets.judgements import relevance_scale
from jobs.evaluation.comparisons import compare, pairs_of
from jobs.evaluation.diversity import variety
from jobs.evaluation.gate_evidence import gate_input
from jobs.evaluation.history import earlier_nights
from jobs.evaluation.measures import Evaluation, evaluate
from jobs.evaluation.query_segments import segments_of
from jobs.evaluation.second_relevance import second_view
from jobs.evaluation.seen_unseen import cells
from jobs.evaluation.segment_tables import segment_rows, where_dense_helps
from jobs.evaluation.tables import Material
from jobs.evaluation.training_exposure import learnt_items
from jobs.lake.ancestry import Ancestor, ancestry, each
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, read_table
from models.evaluation.evidence import Limits
from models.evaluation.gate import judge
from models.evaluation.verdict import Verdict


@dataclass(frozen=True)
class Sources:
    """Pinned inputs of a report; pairs, second and sweep hold at most one."""

    rankings: Pinned
    index: Pinned
    queries: Pinned
    qrels: Pinned
    items: Pinned
    pairs: list[Pinned]
    second: list[Pinned]
    sweep: list[Pinned]

    @property
    def all(self) -> list[Pinned]:
        """Every input, as the manifest names them."""
        first = [self.rankings, self.index, self.queries, self.qrels, self.items]
        return [*first, *self.pairs, *self.second, *self.sweep]

    def check(self) -> None:
        """Refuse to judge rankings by anything else than what they were made from.

        Raises:
            RuntimeError: another version of an input stands there now.
        """
        ranked = {(one.partition, one.manifest_sha256) for one in self.rankings.manifest.inputs}
        for other in (self.index, self.queries, self.qrels):
            if (str(other.partition), other.manifest_sha256) not in ranked:
                raise RuntimeError(
                    f"{self.rankings.partition}: not made from {other.partition} as it stands now"
                    f" (manifest {other.manifest_sha256[:12]}); rank again"
                )


def gather(
    report: Partition, source: Sources, limits: Limits, min_relevance: float, zero_gain: float, act: str
) -> Material:
    """Measure every arm by segments, compare, judge. min_relevance 0: by the judgements' own scale. act: of impressions."""
    rankings, shown = source.rankings, read_table(source.rankings)
    everyone = _judgements(source.qrels)
    # what was not ranked was left out on purpose: training saw it under another spelling
    ranked = shown.column("query_id").unique()
    of_split = pc.field("split") == rankings.facts["split"]
    judgements = everyone.filter(of_split & pc.field("query_id").isin(ranked))
    asked = read_table(source.queries, ["query_id", "query", "searches", "segment"])
    catalogue = read_table(source.items, ["item_id", "title", "category", "brand", "group_id"])
    relevant, zero = relevance_scale(source.qrels, min_relevance, zero_gain)
    found = evaluate(shown, judgements, relevant, zero, int(rankings.facts["depth"]))
    learnt = learnt_items(source.index, source.pairs)
    found = replace(found, groups=segments_of(found.judgements, asked, catalogue, learnt))
    tested = shown.filter(pc.field("query_id").isin(pa.array(found.judgements.query_ids)))
    views = (second_view(one, act, tested, judgements, found.depth) for one in source.second)
    back = list(each(ancestry(rankings)))
    return Material(
        report=report,
        found=found,
        verdict=_verdict(source, found, shown, judgements, back, limits),
        compared=compare(found, pairs_of(found)),
        rankings_rows=shown,
        judgements=judgements,
        queries_rows=asked,
        items_rows=catalogue,
        rankings=rankings,
        index=source.index,
        back=back,
        limits=limits,
        min_relevance=relevant,
        cells=cells(shown, everyone, learnt, relevant, zero) if learnt is not None else [],
        segments=segment_rows(found, limits.min_support),
        dense_helps=where_dense_helps(found, limits.min_support),
        variety=variety(tested, catalogue, [arm for arm in found.arms if not arm.startswith("champion_")]),
        second=next((one for one in views if one is not None), None),
        nights=earlier_nights(report),
    )


def _verdict(
    source: Sources, found: Evaluation, shown: pa.Table, judgements: pa.Table, back: list[Ancestor], limits: Limits
) -> Verdict:
    segments = {f"{group}: {name}": rows for group, name, rows in found.segments()}
    return judge(*gate_input(found, shown, source.rankings, source.index, judgements, back), limits, segments)


def _judgements(qrels: Pinned) -> pa.Table:
    return read_table(qrels, ["query_id", "item_id", "relevance", "split", "source"])

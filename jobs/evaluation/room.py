"""The parts of a report and its gate that belong to one room: its arms, its measures and its inputs.

A further system (recommendations, visual search, ...) describes itself by another ReportRoom.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class ReportRoom:
    """One room's report.

    headlines: arms in order of preference; the first that was ranked is the headline. Later ones serve rankings
    of older code, and indexes that lack an arm. gate_arms: arms that the gate compares with the champion beside the
    headline. gate_measures: by which it does; segments by the first alone. main_arms: arms that plots and segments
    show. input_tables: tables of the day whose data-quality verdicts the gate reads; towers and earlier days were
    judged when they were made. more_measures: beside those of every room, such as RR@25. judges: the thing that the page
    is about. pairs: arms compared beside the champion's; where there are none, those of search.
    """

    name: str
    headlines: tuple[str, ...]
    gate_arms: tuple[str, ...]
    gate_measures: tuple[str, ...]
    main_arms: tuple[str, ...]
    input_tables: tuple[str, ...]
    more_measures: tuple[str, ...] = ()
    judges: str = "index"
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def measure(self) -> str:
        """The measure that decides, which segments and figures show."""
        return self.gate_measures[0]

    def headline(self, ranked: Collection[str]) -> str:
        """The headline among the arms that were ranked; the last preference where none was."""
        return next((arm for arm in self.headlines if arm in ranked), self.headlines[-1])

    def compared_arms(self, ranked: Collection[str]) -> tuple[str, ...]:
        """Arms that the gate compares: the headline, then the others."""
        return tuple(dict.fromkeys((self.headline(ranked), *self.gate_arms)))


DAILY_TABLES = ("items", "impressions", "late_impressions", "click_counts", "query_counts", "propensities")
SEARCH = ReportRoom(
    name="search",
    # served: what Bundle.search returns; an index without it was ranked by older code
    headlines=("served", "hybrid", "dense"),
    gate_arms=("dense",),
    gate_measures=("R@60", "RR@60"),
    main_arms=("served", "hybrid", "dense", "sparse"),
    input_tables=(*DAILY_TABLES, "pairs", "queries", "qrels", "embeddings", "rankings"),
)

RERANKING = ReportRoom(
    name="reranking",
    # what Bundle.search returns with the ranker; its champion is the ranker in service, or the plain list
    headlines=("reranked",),
    gate_arms=(),
    gate_measures=("nDCG@10", "nDCG@60"),
    main_arms=("reranked", "trees", "neural", "static", "hybrid"),
    input_tables=("items", "queries", "qrels", "item_features", "listings", "rankings"),
    judges="ranker",
    pairs=(("trees", "hybrid"), ("neural", "hybrid"), ("neural", "trees"), ("static", "hybrid")),
)

ROOMS = {room.name: room for room in (SEARCH, RERANKING)}


def room_of(alias: str) -> ReportRoom:
    """The room that an alias belongs to, by its first part; one without a report of its own is judged like search."""
    return ROOMS.get(alias.partition("/")[0], SEARCH)

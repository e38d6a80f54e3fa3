"""The queries of a day with their judged items: drawn, made narrow enough to judge, and graded."""

from dataclasses import dataclass

import numpy as np

from models.simulator.arrays import Ints, Words
from models.simulator.marketplace.catalogue import chunks
from models.simulator.marketplace.counter_rng import below, uniform
from models.simulator.marketplace.products import latents as latents_of
from models.simulator.marketplace.products import lives, shop
from models.simulator.marketplace.queries import asked, texts
from models.simulator.marketplace.relevance import SampledJudgements, grade, judge

_SAMPLE = 32_768  # slots looked at to guess how many items answer a query
_BROAD = 0.08  # share of too broad queries ("trampki") that are kept all the same
_INTENTS = 0.5  # intents per query
_DRAWS = 6  # candidates per wanted query


@dataclass(frozen=True)
class Demand:
    """texts [Q] as typed, no two alike but for case; wanted [Q, COLUMNS]; their judgements."""

    texts: Words
    wanted: Ints
    judgements: SampledJudgements


def demand(seed: int, items: int, day: int, queries: int, relevant_cap: int, partial_cap: int, zeros: int) -> Demand:
    """Return the day's queries against the shop of that day, each with at least one relevant item.

    relevant_cap bounds the judged items of grade >= 2 of a query, partial_cap those of grade 1; `zeros`
    random items are looked at per query and judged 0 where they are. Fewer than `queries` come back where
    the shop is too small to answer that many.
    """
    words, wanted = _candidates(seed, items, day, queries, relevant_cap)
    judged = judge(seed, wanted, (shop(seed, slots, day) for slots in chunks(items)), relevant_cap, partial_cap)
    answered = np.flatnonzero(judged.relevant > 0)[:queries]
    judged = _only(judged, answered)
    words, wanted = words[answered], wanted[answered]
    return Demand(words, wanted, _with_zeros(seed, items, day, wanted, judged, zeros))


def _candidates(seed: int, items: int, day: int, queries: int, cap: int) -> tuple[Words, Ints]:
    """Return queries with distinct texts, a third more than wanted: those narrow enough, and a few broad."""
    numbers = np.arange(_DRAWS * queries, dtype=np.int64)
    drawn = asked(seed, numbers, items, day, pool=max(1, int(_INTENTS * queries)))
    words = texts(seed, drawn)
    _, first = np.unique(np.strings.lower(words.astype(np.str_)), return_index=True)
    first = np.sort(first)
    words, wanted = words[first], drawn.wanted[first]
    seen = np.unique(below(seed, "sample", np.arange(_SAMPLE), items)) if items > _SAMPLE else np.arange(items)
    sample = judge(seed, wanted, [shop(seed, seen, day)], 0, 0)
    guess = sample.relevant * items / len(seen)
    narrow = (guess <= cap) | (uniform(seed, "broad", numbers[first]) < _BROAD)
    order = np.concatenate([np.flatnonzero(narrow), np.flatnonzero(~narrow)])[: queries + queries // 3]
    return words[order], wanted[order]


def _only(judged: SampledJudgements, queries: Ints) -> SampledJudgements:
    place = np.full(len(judged.relevant), -1, dtype=np.int64)
    place[queries] = np.arange(len(queries))
    rows = place[judged.queries]
    keep = rows >= 0
    return SampledJudgements(
        rows[keep], judged.items[keep], judged.grades[keep], judged.exact[queries], judged.relevant[queries]
    )


def _with_zeros(
    seed: int, items: int, day: int, wanted: Ints, judged: SampledJudgements, zeros: int
) -> SampledJudgements:
    query = np.repeat(np.arange(len(wanted)), zeros)
    slots = below(seed, "zero", np.arange(len(query)), items)
    alive = lives(seed, slots, np.full(len(slots), day, dtype=np.int64))
    zero = grade(wanted[query], latents_of(seed, alive)) == 0
    pairs = np.unique(np.stack([query[zero], alive.offer[zero]], axis=1), axis=0)
    queries = np.concatenate([judged.queries, pairs[:, 0]])
    offers = np.concatenate([judged.items, pairs[:, 1]])
    grades = np.concatenate([judged.grades, np.zeros(len(pairs), np.int64)])
    order = np.lexsort((offers, queries))
    return SampledJudgements(queries[order], offers[order], grades[order], judged.exact, judged.relevant)

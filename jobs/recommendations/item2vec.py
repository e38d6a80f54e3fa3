"""Sessions or titles -> vectors of items or words.

python -m jobs item2vec --items items/ds=2026-01-31 --item2vec item2vec/ds=2026-01-31/method=content
python -m jobs item2vec --items ... --session_items session_items/ds=2026-01-31 \\
    --item2vec item2vec/ds=2026-01-31/method=meta_prod2vec --holdout_sessions holdout_sessions/ds=2026-01-31

content        fastText over titles and category paths; a word's weight is its IDF
prod2vec       skip-gram over the items of sessions
meta_prod2vec  the same with brand and category between the items, and a window as much wider
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Interval

from jobs.lake.arrow import strings, texts
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table, record_batches
from jobs.platform.arguments import FIRST, CommandArgs, Fraction, NonNegativeInt, PositiveInt
from jobs.platform.tracking import mlflow_run
from jobs.recommendations.item_encoder import (
    CONTENT,
    META,
    METHODS,
    PROD2VEC,
    ItemSpace,
    metadata_words,
    space_of,
    write_learnt,
)
from jobs.recommendations.judge_lists import MEASURES
from jobs.recommendations.judge_vectors import judge_vectors
from models.recommendations.item2vec import Learnt, SkipGram, interleaved, train_items, train_words, with_centroids
from models.recommendations.word_vectors import content_words, inverse_frequencies

BATCH_ROWS = 1 << 16


class Args(CommandArgs):
    """items             the catalogue: titles, category paths and brands
    item2vec          output; its key method is content, prod2vec or meta_prod2vec
    session_items     items of sessions; not for content
    holdout_sessions  sessions that judge the vectors, by their last item; not for content; empty: nothing is judged
    vector_size       dimension of what is learnt
    window            words, or items, on each side; meta_prod2vec widens it by its words per item
    epochs            passes over the sentences
    ns_exponent       exponent of the counts by which negatives are drawn; 0: all alike, below 0: rare ones more often
    sample            share of all words from which a word is thinned out; 0: none is
    min_count         times that an item must occur
    hashed_dim        dimension of the words' own random vectors beside fastText's; of content alone
    seed              of the training
    """

    items: Partition
    item2vec: Partition
    session_items: Partition = NOWHERE
    holdout_sessions: Partition = NOWHERE
    vector_size: Annotated[PositiveInt, FIRST] = 48
    window: Annotated[PositiveInt, FIRST] = 3
    epochs: Annotated[PositiveInt, FIRST] = 20
    ns_exponent: Annotated[float, Interval(ge=-2, le=2), FIRST] = 0.75
    sample: Annotated[Fraction, FIRST] = 1e-4
    min_count: PositiveInt = 1
    hashed_dim: Annotated[int, Ge(8)] = 80
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if not self.item2vec:
            return  # a sweep checks its settings without a partition
        method = self.item2vec.values["method"]
        if method not in METHODS or (method == CONTENT) == bool(self.session_items):
            raise ValueError(
                f"method={method}, session_items={self.session_items}: expected content, or"
                f" {PROD2VEC} or {META} with session_items"
            )
        if self.holdout_sessions and not self.session_items:
            raise ValueError(f"method={method}: holdout_sessions judges what sessions taught; leave it out")

    def settings(self, words_per_item: float = 1.0) -> SkipGram:
        """Settings of skip-gram. words_per_item: an item and its metadata."""
        window = round(self.window * words_per_item)
        return SkipGram(self.vector_size, window, self.epochs, self.ns_exponent, self.sample, seed=self.seed)


class Sessions:
    """Sessions as lists of item ids, read batch by batch as often as they are asked for."""

    def __init__(self, items: Pinned, metadata: dict[str, list[str]]) -> None:
        self.items, self.metadata = items, metadata

    def __iter__(self) -> Iterator[list[str]]:
        left: tuple[str, list[str]] = ("", [])
        for batch in record_batches(self.items, ("session_id", "item_id"), BATCH_ROWS):
            sessions, items = texts(batch.column("session_id")), texts(batch.column("item_id"))
            names = np.array([left[0], *sessions], np.str_)
            # a session that the batch before began goes on in this one
            ends = [*np.flatnonzero(names[1:] != names[:-1]).tolist(), len(items)]
            open_session, start = left[1], 0
            for end in ends:
                open_session = open_session + items[start:end]
                if end < len(items):
                    yield from self._words(open_session)
                    open_session = []
                start = end
            left = (sessions[-1], open_session)
        yield from self._words(left[1])

    def _words(self, items: list[str]) -> Iterator[list[str]]:
        if len(items) > 1:
            yield interleaved(items, self.metadata) if self.metadata else items


def main(args: Args) -> dict[str, Any]:
    """Train, and publish words with their vectors."""
    items = pin(args.items)
    sessions, judged = (pin(at) if at else None for at in (args.session_items, args.holdout_sessions))
    inputs = [items, *(one for one in (sessions, judged) if one)]
    with mlflow_run("item2vec", args, inputs) as tracked, publish(args.item2vec, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        if sessions is None:
            learnt, weights = _content(args, items)
        else:
            learnt, weights = _sessions(args, items, sessions), {}
        write_learnt(out, learnt, weights)
        hashed_dim = args.hashed_dim if sessions is None else 0
        figures: dict[str, float] = {"words": len(learnt.words), "dim": args.vector_size + hashed_dim}
        if sessions and judged:
            space = ItemSpace(args.item2vec.values["method"], learnt, weights, hashed_dim)
            out.facts["splits"] = judge_vectors(out, space, items, sessions, judged)
            figures |= {f"dev/{name}": out.facts["splits"]["dev"]["all"][name][0] for name in MEASURES}
        out.facts.update(figures, hashed_dim=hashed_dim)
        tracked.measures(figures)
    return {"item2vec": str(args.item2vec), "space": space_of(pin(args.item2vec)), **figures}


def _content(args: Args, items: Pinned) -> tuple[Learnt, dict[str, float]]:
    rows = read_table(items, ["item_id", "title", "category"]).sort_by("item_id")
    words = [content_words(*row) for row in zip(strings(rows, "title"), strings(rows, "category"), strict=True)]
    weights = inverse_frequencies(words)
    known = train_words(words, args.settings())
    names = sorted(weights)
    return Learnt(names, np.stack([known[name] for name in names]).astype(np.float32)), weights


def _sessions(args: Args, items: Pinned, sessions: Pinned) -> Learnt:
    rows = read_table(items, ["item_id", "category", "brand"])
    columns = (strings(rows, name) for name in ("category", "brand"))
    words = map(metadata_words, *columns)
    metadata = dict(zip(strings(rows, "item_id"), words, strict=True))
    if args.item2vec.values["method"] == PROD2VEC:
        return with_centroids(train_items(Sessions(sessions, {}), args.settings(), args.min_count), metadata)
    per_item = 1 + sum(map(len, metadata.values())) / max(1, len(metadata))
    return train_items(Sessions(sessions, metadata), args.settings(per_item), args.min_count)

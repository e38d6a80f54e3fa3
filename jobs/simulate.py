"""Queries and judgements -> one day of a UBI log, by a documented click model.

python -m jobs.simulate --labels labels/ds=2026-01-31 --catalogue catalogue/ds=2026-01-31 \\
    --log log/ds=2026-01-31 --truth truth/ds=2026-01-31

Clicks: P = rank ** -eta * (noise + (1 - noise) * gain(relevance)), see models.click_model. Result lists: lexical with
noise, see models.shop_engine. Queries of the labels' split `test` are never typed; where the labels leave the split to
the query's hash (NULL), all are typed, and the rooms downstream keep the hash's test side out of training.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from jobs.attempt import Attempt
from jobs.cli import run
from jobs.lake import Partition
from jobs.progress import progress
from jobs.publish import publish
from jobs.reading import pin
from jobs.simulate_input import Shop, read_shop
from jobs.simulate_truth import Truth
from models.cast import Cast, ranking
from models.click_model import ClickModel
from models.shop_engine import LEXICAL_DEPTH, Pool, pool
from models.shop_words import lexical
from models.simulation import Day, Faults, day, lines
from models.sparse import build_sparse
from models.traffic import traffic
from models.ubi import DIALECTS


@dataclass(frozen=True)
class Args:
    """labels          queries with judged items
    catalogue       the items that were judged
    log             output: UBI files of the day, one per application; replaced
    truth           output: propensities, which events are whose, counts of every planted fault; replaced
    searches        searches of the day, robots' included
    results         items shown per search at most
    eta             how fast attention falls with rank: P(seen) = rank ** -eta
    noise           chance that an examined irrelevant item is clicked
    zipf            how unequal queries are: share of the k-th ~ 1 / k ** zipf
    bot_frac        share of searches made by robots
    duplicate_frac  share of events that arrive twice
    late_frac       share of events stamped on the day after, from 7 in the morning on
    malformed_frac  lines that no reader can take, as a share of the good ones
    engine_items    titles in the simulated engine's own index: the judged ones and a sample of the
                    rest, which bounds its memory
    seed            another seed is another day
    """

    labels: Partition
    catalogue: Partition
    log: Partition
    truth: Partition
    searches: int = 12_000
    results: int = 20
    eta: float = 1.0
    noise: float = 0.05
    zipf: float = 0.9
    bot_frac: float = 0.02
    duplicate_frac: float = 0.01
    late_frac: float = 0.005
    malformed_frac: float = 0.001
    engine_items: int = 200_000
    seed: int = 7

    def __post_init__(self) -> None:
        if min(self.searches, self.results, self.engine_items) < 1:
            raise ValueError("searches, results and engine_items: expected 1 or more")
        if not 0 <= self.bot_frac < 1 or self.zipf < 0 or self.seed < 0:
            raise ValueError("bot_frac: expected 0 to below 1; zipf and seed: 0 or more")
        if self.log.ds != self.truth.ds:
            raise ValueError(f"{self.truth} is not the day of {self.log}")
        _, _ = self.model(), self.faults()

    def model(self) -> ClickModel:
        """The click model of these settings; ValueError when one is out of range."""
        return ClickModel(eta=self.eta, noise=self.noise)

    def faults(self) -> Faults:
        """The faults to plant; ValueError when a share is out of range."""
        return Faults(self.duplicate_frac, self.late_frac, self.malformed_frac)


def main(args: Args) -> dict[str, object]:
    """Draw the day, write it as two applications would, and keep the truth beside."""
    catalogue, labels = pin(args.catalogue), pin(args.labels)
    inputs = [catalogue, labels]
    midnight = datetime.fromisoformat(args.log.ds).replace(tzinfo=UTC)
    rng = np.random.default_rng([args.seed, midnight.toordinal()])
    shop = read_shop(catalogue, labels, args.engine_items, args.seed)
    made = traffic(ranking(args.seed, shop.texts), args.searches, args.bot_frac, args.zipf, rng)
    people = Cast(args.seed, args.log.ds, made, shop.texts)
    parts = day(
        made, people.dialects, _pool(shop, rng), args.results, args.model(), args.faults(), rng
    )
    midnight_ms = int(midnight.timestamp()) * 1000
    with (
        publish(args.log, args, inputs=inputs) as out,
        publish(args.truth, args, inputs=inputs) as aside,
        progress("simulate", args.searches, "searches") as advance,
        Truth(aside.folder, args.model().propensities(args.results)) as truth,
    ):
        out.simulated = aside.simulated = True
        with _files(out) as files:
            for part in parts:
                _write(files, part, people, shop, midnight_ms)
                truth.add(part, people, shop)
                advance(len(part.numbers))
        facts = truth.close() | shop.facts
        aside.facts |= facts
        # the log knows no more than a real one would, or a reader might lean on it
        out.facts |= {"click_model": "position-based", "generator": "jobs.simulate"} | shop.facts
    return {"log": str(args.log), **facts}


def _pool(shop: Shop, rng: np.random.Generator) -> Pool:
    """What the simulated engine would find for each query."""
    found = lexical(build_sparse(shop.titles.tolist()), shop.texts.tolist(), LEXICAL_DEPTH)
    return pool(len(shop.texts), len(shop.titles), found, shop.judged, shop.scale, rng)


@contextmanager
def _files(out: Attempt) -> Iterator[list[BinaryIO]]:
    """One gzip file per application; no time stamp inside, so that a re-run makes the same bytes."""
    with ExitStack() as stack:
        files = []
        for dialect in DIALECTS:
            path: Path = out.folder / f"{dialect.application}.ndjson.gz"
            raw = stack.enter_context(path.open("wb"))
            file = gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0)
            files.append(cast(BinaryIO, stack.enter_context(file)))
        yield files


def _write(files: list[BinaryIO], part: Day, people: Cast, shop: Shop, midnight_ms: int) -> None:
    said = people.words(part.numbers)
    for number, file in enumerate(files):
        written = lines(part, number, said, shop.safe_ids, midnight_ms)
        if written:
            file.write(("\n".join(written) + "\n").encode())


if __name__ == "__main__":
    run(Args, main)

"""The simulated log as NDJSON: what two applications would write, line by line."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from jobs.simulator.scene import Scene
from models.simulator.arrays import Ints, Words
from models.simulator.day import AppDelivery, DayPart, lines
from models.simulator.ubi import DIALECTS, SearchTexts


class NdjsonFormat:
    """The layout `ndjson`: a batch is an array of records as text; the web's have two lines, one of the bulk format."""

    suffix, is_text = "ndjson.gz", True

    def __init__(self, made: Scene) -> None:
        self._ids, self._midnight_ms = made.shop.safe_ids, made.midnight_ms

    def made(self, part: DayPart, chosen: AppDelivery, number: int, words: SearchTexts) -> Words:
        """The records of a share, in order of delivery."""
        return lines(part, chosen, number, words, self._ids, self._midnight_ms)

    def merged(self, batches: Sequence[Words], order: Ints) -> Words:
        """The records of several batches, in another order."""
        records: Words = np.concatenate(batches)[order]
        return records

    @contextmanager
    def sink(self, path: Path) -> Iterator[Callable[[Words], None]]:
        """A gzip file to write to; no time stamp inside, so that a re-run makes the same bytes."""
        with (
            path.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as file,
        ):

            def write(batch: Words) -> None:
                file.write(("\n".join(batch.tolist()) + "\n").encode())

            yield write

    @contextmanager
    def source(self, path: Path, number: int) -> Iterator[Callable[[int], Words]]:
        """The records of DIALECTS[number] in a file, to be taken some at a time."""
        per_record = 2 if DIALECTS[number].bulk else 1
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:

            def take(count: int) -> Words:
                text = "".join(islice(file, per_record * count)).removesuffix("\n")
                records = np.array(text.split("\n") if text else [], dtype=object)
                return records if per_record == 1 else records[::2] + "\n" + records[1::2]

            yield take

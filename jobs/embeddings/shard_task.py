"""The task of embedding one shard, as a value that any process can receive, and the result of each worker."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

import numpy as np

from jobs.embeddings.delta import Mask
from jobs.embeddings.encoder import EncoderSource, PinnedName


@dataclass(frozen=True)
class PackedMask:
    """A boolean mask as bits: a million items take 125 KB on their way to another process."""

    bits: bytes
    count: int
    set_count: int

    @classmethod
    def of(cls, mask: Mask) -> PackedMask:
        """Pack a mask."""
        return cls(np.packbits(mask).tobytes(), len(mask), int(mask.sum()))

    def unpack(self) -> Mask:
        """Unpack it as booleans [count]."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.count).astype(np.bool_)


@dataclass(frozen=True)
class ShardTask:
    """Items to encode and vectors to take over, from pinned inputs, into the folder `uri`.

    lake, trials: their roots, for a process with another environment. to_encode: a mask over the shard's items;
    to_keep: a mask over the rows of the previous shard. Both follow the order of the files.
    """

    items: PinnedName
    encoder: EncoderSource
    previous: PinnedName | None
    uri: str
    lake: str
    trials: str
    shard: int
    shards: int
    storage: str
    chunk_items: int
    to_encode: PackedMask
    to_keep: PackedMask


@dataclass
class WorkerResult:
    """The files that one worker wrote, items that it encoded and took over, seconds by stage.

    tokens, padding: what the encoder computed. wall_s: from the first item read to the last vector written.
    loaded: how often the encoder was loaded for this task; 0 where the process already had it.
    """

    rank: int
    files: list[str] = field(default_factory=list)
    encoded: int = 0
    taken_over: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    padding: int = 0
    wall_s: float = 0.0
    process: str = ""
    loaded: int = 0

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> WorkerResult:
        """Read it back."""
        return cls(**json.loads(line))


def combined(results: list[WorkerResult]) -> WorkerResult:
    """All results as one: counts and stages are added up; the workers run side by side, so the longest wall counts."""
    seconds: Counter[str] = Counter()
    for result in results:
        seconds.update(result.seconds)
    return WorkerResult(
        rank=-1,
        files=[name for result in results for name in result.files],
        encoded=sum(result.encoded for result in results),
        taken_over=sum(result.taken_over for result in results),
        seconds=dict(seconds),
        tokens=sum(result.tokens for result in results),
        padding=sum(result.padding for result in results),
        wall_s=max((result.wall_s for result in results), default=0.0),
        loaded=sum(result.loaded for result in results),
    )

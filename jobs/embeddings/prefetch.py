"""Threads beside the encoding: the next chunk is read ahead, the last one is written behind; an error in either ends the job."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.1


class StageClock:
    """Seconds by stage. A stage belongs to one thread."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the block's wall time to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started  # type: ignore[assignment]


def read_ahead(values: Iterable[T], depth: int = 1) -> Iterator[T]:
    """The values in their order, made by a thread of its own; at most `depth` of them wait.

    An error of the thread is raised here. When the caller leaves early, the thread ends after the value in work.
    """
    ready: Queue[T] = Queue(depth)
    left = Event()

    def make() -> None:
        for value in values:
            while not _offered(ready, value):
                if left.is_set():
                    return

    with ThreadPoolExecutor(1, "read-ahead") as pool:
        making = pool.submit(make)
        try:
            while True:
                over = making.done()  # asked before the queue: values made earlier may still wait there
                try:
                    yield ready.get(timeout=0 if over else _POLL_S)
                except Empty:
                    if over:
                        break
            making.result()
        finally:
            left.set()


def _offered(waiting: Queue[T], value: T) -> bool:
    try:
        waiting.put(value, timeout=_POLL_S)
    except Full:
        return False
    return True


class WriteBehind(Generic[T]):
    """Hands values to a thread that works on them in their order; at most `depth` of them wait.

    An error of the thread is raised at the next call, or at the end of the block. When the block itself ends with an
    error, waiting values are dropped.
    """

    def __init__(self, work: Callable[[T], None], depth: int = 2) -> None:
        self._work = work
        self._waiting: Queue[T | None] = Queue(depth)
        self._dropped = Event()
        self._pool = ThreadPoolExecutor(1, "write-behind")

    def __enter__(self) -> WriteBehind[T]:
        self._working = self._pool.submit(self._loop)
        return self

    def __call__(self, value: T) -> None:
        """Hand over one value; blocks while `depth` of them are waiting."""
        self._hand(value)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._dropped.set()
        try:
            self._hand(None)
        finally:
            self._pool.shutdown()
        if error is None:
            self._working.result()

    def _hand(self, value: T | None) -> None:
        while not self._working.done():
            if _offered(self._waiting, value):
                return
        if not self._dropped.is_set():
            self._working.result()

    def _loop(self) -> None:
        while (value := self._waiting.get()) is not None and not self._dropped.is_set():
            self._work(value)

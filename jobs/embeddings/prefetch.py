"""Threads beside the encoding: the next chunk is read ahead, the last one is written behind; an error in either ends the job."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


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
    source, end = iter(values), object()
    pool = ThreadPoolExecutor(1, "read-ahead")
    try:
        making = deque(pool.submit(next, source, end) for _ in range(1 + depth))
        while (value := making.popleft().result()) is not end:
            making.append(pool.submit(next, source, end))
            yield value  # type: ignore[misc]
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind(Generic[T]):
    """Hands values to a thread that works on them in their order; at most `depth` of them wait.

    An error of the thread is raised at the next call, or at the end of the block; later values are then dropped. When
    the block itself ends with an error, waiting values are dropped too.
    """

    def __init__(self, work: Callable[[T], None], depth: int = 2) -> None:
        self._work, self._depth = work, depth
        self._working: deque[Future[None]] = deque()
        self._failed = False
        self._pool = ThreadPoolExecutor(1, "write-behind")

    def __enter__(self) -> WriteBehind[T]:
        return self

    def __call__(self, value: T) -> None:
        """Hand over one value; blocks while `depth` of them are waiting."""
        while self._working and (self._working[0].done() or len(self._working) > self._depth):
            self._working.popleft().result()
        self._working.append(self._pool.submit(self._unless_failed, value))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        for work in self._working if error is None else ():
            work.result()

    def _unless_failed(self, value: T) -> None:
        if self._failed:
            return
        try:
            self._work(value)
        except BaseException:
            self._failed = True
            raise

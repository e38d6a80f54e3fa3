"""Work beside the encoding: what comes is made ahead, what goes is written behind, an error in either ends the job."""

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


class Clock:
    """Seconds by stage. A stage belongs to one thread."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add what the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started  # type: ignore[assignment]


def ahead(things: Iterable[T], depth: int = 1) -> Iterator[T]:
    """The things in their order, made by a thread of its own, at most `depth` of them waiting.

    What it raises is raised here. Left early, the thread ends after the thing that it is making.
    """
    ready: Queue[T] = Queue(depth)
    left = Event()

    def make() -> None:
        for thing in things:
            while not _offered(ready, thing):
                if left.is_set():
                    return

    with ThreadPoolExecutor(1, "ahead") as pool:
        making = pool.submit(make)
        try:
            while True:
                over = making.done()  # asked first: what was made before stands in the queue
                try:
                    yield ready.get(timeout=0 if over else _POLL_S)
                except Empty:
                    if over:
                        break
            making.result()
        finally:
            left.set()


def _offered(waiting: Queue[T], thing: T) -> bool:
    try:
        waiting.put(thing, timeout=_POLL_S)
    except Full:
        return False
    return True


class Behind(Generic[T]):
    """Hands things to a thread that works on them in their order, at most `depth` of them waiting.

    What it raises is raised at the next call, or at the end of the block. When the block itself ends with
    an error, what still waits is dropped.
    """

    def __init__(self, work: Callable[[T], None], depth: int = 2) -> None:
        self._work = work
        self._waiting: Queue[T | None] = Queue(depth)
        self._dropped = Event()
        self._pool = ThreadPoolExecutor(1, "behind")

    def __enter__(self) -> Behind[T]:
        self._working = self._pool.submit(self._loop)
        return self

    def __call__(self, thing: T) -> None:
        """Hand over one thing; waits while `depth` of them are waiting."""
        self._hand(thing)

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

    def _hand(self, thing: T | None) -> None:
        while not self._working.done():
            if _offered(self._waiting, thing):
                return
        if not self._dropped.is_set():
            self._working.result()

    def _loop(self) -> None:
        while (thing := self._waiting.get()) is not None and not self._dropped.is_set():
            self._work(thing)

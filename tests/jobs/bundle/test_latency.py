"""The clock: all samples are reported, and the gate reads a figure that other work on the machine does not move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from jobs.bundle import latency
from jobs.bundle.latency import GATE_P99, ROUNDS, WARM_UP, latency_ms
from jobs.bundle.reader import Bundle

QUERIES = [str(ms) for ms in range(1, 41)]


@dataclass
class Clock:
    """Seconds that pass only in a search; load: times as long as it would, by the number of the search."""

    load: Callable[[int], float] = lambda _: 1.0
    now: float = 0.0
    searches: int = 0


@dataclass(frozen=True)
class Index:
    """A search takes as many milliseconds as the query says, times its own slowness; the dense arm a tenth of it."""

    clock: Clock
    times: float = 1.0
    pool: int = 200

    def encode(self, texts: list[str]) -> str:
        return texts[0]

    def dense(self, text: str, depth: int) -> None:
        assert depth == self.pool
        self.clock.now += self.times * float(text) / 10_000

    def search(self, text: str) -> None:
        self.clock.now += self.times * float(text) / 1000 * self.clock.load(self.clock.searches)
        self.clock.searches += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(latency.time, "perf_counter", lambda: found.now)
    return found


def p99s(*indexes: Index) -> list[float]:
    return [ms[GATE_P99] for ms in latency_ms(cast("list[Bundle]", indexes), QUERIES)]


def test_percentiles_of_what_each_query_takes(clock: Clock) -> None:
    (found,) = latency_ms(cast("list[Bundle]", [Index(clock)]), QUERIES)
    wanted = np.arange(1, 41)
    assert found["search_p50_ms"] == pytest.approx(np.percentile(wanted, 50))
    assert found["search_p99_ms"] == pytest.approx(np.percentile(np.repeat(wanted, ROUNDS), 99))
    assert found["dense_p50_ms"] == pytest.approx(np.percentile(wanted, 50) / 10)
    assert found["encode_p99_ms"] == 0
    assert GATE_P99 == "search_best_of_5_p99_ms" and found[GATE_P99] == pytest.approx(np.percentile(wanted, 99))


def test_all_samples_are_reported(clock: Clock) -> None:
    """One round in five takes three times as long: a service sees it, in its p99; the gate does not."""
    clock.load = lambda search: 3.0 if 0 <= search - WARM_UP < len(QUERIES) else 1.0
    (found,) = latency_ms(cast("list[Bundle]", [Index(clock)]), QUERIES)
    samples = np.concatenate([3 * np.arange(1, 41), np.tile(np.arange(1, 41), ROUNDS - 1)])
    assert found["search_p99_ms"] == pytest.approx(np.percentile(samples, 99))
    assert found["search_p50_ms"] == pytest.approx(np.percentile(samples, 50))
    assert found[GATE_P99] == pytest.approx(np.percentile(np.arange(1, 41), 99))


def test_a_slower_index_is_seen(clock: Clock) -> None:
    champion, challenger = p99s(Index(clock), Index(clock, times=2))
    assert challenger == pytest.approx(2 * champion)


@pytest.mark.parametrize("struck", range(0, 2 * ROUNDS * len(QUERIES), 7))
def test_a_pause_of_the_machine_is_not_the_indexs(clock: Clock, struck: int) -> None:
    clock.load = lambda search: 1000.0 if search == 2 * WARM_UP + struck else 1.0
    champion, challenger = p99s(Index(clock), Index(clock))
    assert challenger == pytest.approx(champion)


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_machine_is_not_the_indexs(clock: Clock, seed: int) -> None:
    """A quarter of all searches are interrupted, each for as long as a core is lent to somebody else."""
    struck = np.random.default_rng(seed).random(10_000) < 0.25
    clock.load = lambda search: 4.0 if struck[search] else 1.0
    champion, challenger = p99s(Index(clock), Index(clock))
    assert challenger <= 1.5 * champion


@pytest.mark.parametrize("begins", range(0, 2 * ROUNDS * len(QUERIES), 20))
@pytest.mark.parametrize("lasts", [100, 200, 10_000])
def test_a_machine_that_slows_down_does_so_for_both(clock: Clock, begins: int, lasts: int) -> None:
    clock.load = lambda search: 3.0 if begins <= search - 2 * WARM_UP < begins + lasts else 1.0
    champion, challenger = p99s(Index(clock), Index(clock))
    assert challenger == pytest.approx(champion)

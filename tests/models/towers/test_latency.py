"""The clock of one query."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.towers import encode as encoding
from models.towers.encode import query_latency
from models.towers.two_tower import TwoTower
from tests.models.shop import towers


def test_quantiles_of_what_each_query_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still but for the encoder, which takes as long as the query says."""
    now, asked, threads = [0.0], [], set()

    def encode(_: TwoTower, texts: list[str]) -> None:
        threads.add(torch.get_num_threads())
        asked.extend(texts)
        now[0] += float(texts[0]) / 1000.0

    monkeypatch.setattr(encoding, "encode_queries", encode)
    monkeypatch.setattr(encoding.time, "perf_counter", lambda: now[0])
    before = torch.get_num_threads()
    found = query_latency(towers(bert=False), [str(ms) for ms in range(1, 1001)])
    used = [float(text) for text in asked[encoding._WARM_UP :]]
    assert len(used) == 200
    assert (used[0], used[-1]) == (1.0, 1000.0)
    assert found["query_p50_ms"] == pytest.approx(np.quantile(used, 0.5))
    assert found["query_p99_ms"] == pytest.approx(np.quantile(used, 0.99))
    assert threads == {1}
    assert torch.get_num_threads() == before


def test_threads_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(encoding, "encode_queries", fail)
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="no"):
        query_latency(towers(bert=False), ["a"])
    assert torch.get_num_threads() == before


def test_real_towers_and_no_queries() -> None:
    found = query_latency(towers(), ["buty", "lampa", "rower"])
    assert 0 < found["query_p50_ms"] <= found["query_p99_ms"]
    assert query_latency(towers(bert=False), []) == {}

"""The chunk of GradCache by memory: figures worked out by hand, and limits that hold."""

from __future__ import annotations

import pytest

from models.towers.config import PRESETS
from models.training.memory import LEAST_CHUNK, StepTexts, chunk_within, graph_bytes

MINI = PRESETS["minilm"]
GB = 1e9


def test_bytes_of_a_text_by_hand() -> None:
    # 6 layers x 2 bytes x 32 tokens x 384 x (34 + 5 x 12 x 32 / 384 = 5)
    assert graph_bytes(MINI, 32) == 6 * 2 * 32 * 384 * 39


def test_a_step_of_minilm_is_chunked_where_memory_is_small() -> None:
    """256 queries of 8 tokens, and 256 items with 1,024 hard negatives of 32: about 7.8 GB in one graph."""
    sides = [StepTexts(256, 8), StepTexts(1280, 32)]
    assert sum(side.count * graph_bytes(MINI, side.tokens) for side in sides) == pytest.approx(7.67e9, rel=0.01)
    assert chunk_within(MINI, sides, 8 * GB) == 0
    chunk = chunk_within(MINI, sides, 6 * GB)
    assert chunk == 1024 and chunk * graph_bytes(MINI, 32) <= 6 * GB < 2 * chunk * graph_bytes(MINI, 32)
    assert chunk_within(MINI, sides, 1) == LEAST_CHUNK


def test_towers_without_bert_have_no_chunks() -> None:
    assert chunk_within(PRESETS["tiny"], [StepTexts(1 << 20, 100)], 1) == 0

"""Encoding of many texts: those of like length together, results by position, memory bounded; and of one, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.text.text_store import TextStore, buckets, padded
from models.towers.packed_bert import PackedBert
from models.towers.precision import autocast, in_bf16
from models.towers.tower import FORWARD_TOKENS, BertEncoder
from models.towers.two_tower import TwoTower

Vectors = NDArray[np.float32]
TOKEN_BUDGET = 16_384  # tokens (trigrams, without BERT) of one forward pass, padding included
_GPU_BUDGET = 131_072
_PACK_FROM = 256  # texts
_CHUNK = 65_536
_TIMED_QUERIES, _WARM_UP = 200, 10


def encode_items(
    towers: TwoTower, texts: Sequence[str], budget: int = TOKEN_BUDGET, precision: str = "auto"
) -> Vectors:
    """Unit vectors [N, D] of items, in the order of the texts."""
    chunks = item_vectors(towers, _chunks(texts), budget, precision)
    return _gather(towers.config.width, len(texts), chunks)


def encode_queries(
    towers: TwoTower, texts: Sequence[str], budget: int = TOKEN_BUDGET, precision: str = "auto"
) -> Vectors:
    """Unit vectors [Q, D] of queries as typed, in the order of the texts."""
    chunks = (
        encode_store(towers.forward_queries, towers.store_queries(chunk), budget, towers, precision)
        for chunk in _chunks(texts)
    )
    return _gather(towers.config.query_width, len(texts), chunks)


def item_vectors(
    towers: TwoTower, chunks: Iterable[Sequence[str]], budget: int = TOKEN_BUDGET, precision: str = "auto"
) -> Iterator[Vectors]:
    """Vectors of each chunk of item texts; one chunk's features are held at a time."""
    for chunk in chunks:
        yield encode_store(towers.forward_items, towers.store(chunk), budget, towers, precision)


def encode_store(
    forward: Callable[[TextStore], Tensor], store: TextStore, budget: int, towers: TwoTower, precision: str = "auto"
) -> Vectors:
    """Vectors [N, D] of a store's rows, by one of the towers' forward methods, without gradient.

    In bf16, where that is fast, a vector's cosine with its fp32 self is above 0.9995 (MiniLM, titles
    and queries of a shop; test_packed_bert); pooling, fusing and norms are fp32 all the same.
    """
    if not len(store):
        return np.empty((0, towers.config.width), np.float32)
    was_training = towers.training
    towers.eval()
    groups = list(buckets(store.sizes, budget))
    with (
        torch.inference_mode(),
        autocast(towers.device, precision),
        packed(towers.bert_encoders, len(store), precision),
    ):
        # vectors stay on the device until all are computed: a copy waits for it, so there is one copy
        encoded = torch.cat([forward(store.take(rows)).float() for rows in groups])
        vectors = np.empty(encoded.shape, np.float32)
        vectors[np.concatenate(groups)] = encoded.cpu().numpy()
    towers.train(was_training)
    return vectors


def _packs(device: torch.device, rows: int) -> bool:
    return device.type == "cpu" and rows >= _PACK_FROM


@contextmanager
def packed(encoders: Collection[BertEncoder], rows: int, precision: str) -> Iterator[None]:
    """Let BERT on a CPU read tokens without padding, from a copy of its weights, where there are many texts."""
    device = next((encoder.device for encoder in encoders), None)
    if device is None or not _packs(device, rows):
        yield
        return
    dtype = torch.bfloat16 if in_bf16(device, precision) else torch.float32
    try:
        for encoder in encoders:
            encoder.packed = PackedBert(encoder.bert, dtype)
        yield
    finally:
        for encoder in encoders:
            encoder.packed = None


def rectangles(towers: TwoTower, sizes: NDArray[np.int64], budget: int) -> tuple[int, int]:
    """(tokens, padding) that BERT reads when a store of these sizes is encoded."""
    if not towers.config.has_bert:
        return 0, 0  # trigrams need no padding
    if _packs(towers.device, len(sizes)):
        return int(sizes.sum()), 0
    at_once = min(budget, FORWARD_TOKENS.get(towers.device.type, budget))
    return padded(sizes, buckets(sizes, at_once))


def token_budget(device: torch.device, asked: int = 0) -> int:
    """Tokens of one forward pass: as given, or the device's default."""
    return asked or (_GPU_BUDGET if device.type == "cuda" else TOKEN_BUDGET)


def store_vectors(
    forward: Callable[[TextStore], Tensor],
    store: TextStore,
    towers: TwoTower,
    budget: int = TOKEN_BUDGET,
    precision: str = "auto",
    chunk: int = _CHUNK,
) -> Iterator[Vectors]:
    """Vectors of a store, `chunk` rows at a time: for stores mapped from files, larger than memory."""
    for start in range(0, len(store), chunk):
        part = store.span(start, min(start + chunk, len(store)))
        yield encode_store(forward, part, budget, towers, precision)


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _CHUNK):
        yield texts[start : start + _CHUNK]


def _gather(dim: int, count: int, parts: Iterable[Vectors]) -> Vectors:
    vectors = np.empty((count, dim), np.float32)
    start = 0
    for part in parts:
        vectors[start : start + len(part)] = part
        start += len(part)
    return vectors


def query_latency(towers: TwoTower, queries: Sequence[str]) -> dict[str, float]:
    """Milliseconds from text to vector, one query at a time, as a service encodes: query_p50_ms, query_p99_ms.

    Of up to 200 queries, spread over those given, on the CPU with one thread, after ten to warm up;
    towers of a GPU are copied for it. Empty without queries.
    """
    if not queries:
        return {}
    if towers.device.type != "cpu":
        config, tokenizer_json, tensors = towers.state()
        here = {name: one.cpu() for name, one in tensors.items()}
        towers = TwoTower.from_state(config, tokenizer_json, here)
    rows = np.linspace(0, len(queries) - 1, min(_TIMED_QUERIES, len(queries))).astype(int)
    sample = [queries[row] for row in rows]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for text in sample[:_WARM_UP]:
            encode_queries(towers, [text])
        took = [_timed(towers, text) for text in sample]
    finally:
        torch.set_num_threads(threads)
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return {"query_p50_ms": float(p50), "query_p99_ms": float(p99)}


def _timed(towers: TwoTower, text: str) -> float:
    started = time.perf_counter()
    encode_queries(towers, [text])
    return 1000.0 * (time.perf_counter() - started)

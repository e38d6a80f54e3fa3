"""ROOM=embeddings: encoding against sentence-transformers with the same weights; a delta against a full day; storage.

One thread and CPU-seconds. Where bf16 is emulated (no AMX, no AVX-512 BF16) `auto` is fp32, and so are the ratios.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer

from jobs.embeddings.read_shards import Embedded, matrix, shard_batches
from jobs.embeddings.writer import ShardWriter
from jobs.lake.read import pin
from models.towers.encode import encode_items
from models.towers.precision import has_fast_bf16
from tests.benchmarks._compare import compare, cpu_s
from tests.benchmarks._pairs import TOKENS, bert_towers, minilm_folder, texts
from tests.jobs.shop import publish_trained
from tests.jobs.towers.catalogue import day, embed, publish_items, shard

TITLES, ROUNDS = 512, 3
ITEMS, CHANGED_FRAC = 3_000, 2 / 140  # 2M of 140M a day
STORED, DIM = 131_072, 384


def peer(dtype: str = "") -> SentenceTransformer:
    """sentence-transformers with the same weights, as it comes or in bf16."""
    given = {"model_kwargs": {"dtype": torch.bfloat16}} if dtype else {}
    model = SentenceTransformer(str(minilm_folder()), device="cpu", **given)
    model.max_seq_length = TOKENS
    return model


def encoding() -> None:
    """Titles into vectors: features, forward, order; then how far every vector is from fp32."""
    towers, titles = bert_towers(), texts(TITLES).titles
    plain, bf16 = peer(), peer("bf16")
    exact = plain.encode(titles, normalize_embeddings=True)
    fast = has_fast_bf16(torch.device("cpu"))
    found = "auto" if fast else "auto, which is fp32 here"
    for name, model, rounds in (("default", plain, ROUNDS), ("dtype bf16", bf16, ROUNDS if fast else 1)):
        compare(
            f"encoding, against the peer's {name}",
            lambda: encode_items(towers, titles),
            lambda model=model: model.encode(titles, normalize_embeddings=True),
            f"sentence-transformers encode, {name}",
            TITLES,
            "items",
            f"ours {found}",
            rounds,
        )
    ceiling(TITLES / min(cpu_s(lambda: encode_items(towers, titles)) for _ in range(ROUNDS)))
    near = {
        "ours, fp32": encode_items(towers, titles, precision="fp32"),
        "ours, bf16": encode_items(towers, titles, precision="bf16"),
        "peer, dtype bf16": bf16.encode(titles, normalize_embeddings=True),
    }
    for name, vectors in near.items():
        cosine = (np.asarray(vectors, np.float32) * exact).sum(axis=1)
        say(name="least cosine to the peer's fp32", varied=name, ours=round(float(cosine.min()), 6))


def ceiling(rate: float) -> None:
    """The products of matrices that unpadded tokens need, at the speed of one such product alone."""
    towers = bert_towers()
    sizes = towers.store(texts(TITLES).titles).sizes.astype(np.float64)
    bert = towers.item_tower.bert.bert.config
    hidden, wide, layers = bert.hidden_size, bert.intermediate_size, bert.num_hidden_layers
    dense = 2 * sizes * (4 * hidden**2 + 2 * hidden * wide)
    flops = float((layers * (dense + 4 * sizes**2 * hidden)).mean())
    kind = torch.bfloat16 if has_fast_bf16(torch.device("cpu")) else torch.float32
    left, right = torch.randn(2048, hidden, dtype=kind), torch.randn(hidden, wide, dtype=kind)
    with torch.inference_mode():
        took = min(cpu_s(lambda: [left @ right for _ in range(20)]) for _ in range(5)) / 20
    limit = 2 * 2048 * hidden * wide / took / flops
    say(
        name="share of the ceiling",
        ours=round(rate, 1),
        peer=round(limit, 1),
        peer_name="matrix products alone",
        ratio=round(rate / limit, 2),
        unit="items/cpu_s",
        varied=f"{kind!s}, {flops / 1e6:.0f} MFLOP an item",
    )


def delta() -> None:
    """One day's whole job, expectations apart: all items anew, or what changed of them."""
    titles = texts(ITEMS).titles
    items = {f"i{row:07d}": title for row, title in enumerate(titles)}
    shop = publish_trained(bert_towers("both"), "star")
    publish_items(day(1), items)
    rng = np.random.default_rng(0)
    for row in np.flatnonzero(rng.random(ITEMS) < CHANGED_FRAC).tolist():
        items[f"i{row:07d}"] += " new"
    publish_items(day(2), items)
    more = {"chunk_items": 16_384}
    embed(shop, day(1), "0of1", **more)
    full = cpu_s(lambda: embed(shop, day(2), "0of1", **more))
    anew = {
        name: vector
        for ids, _, vectors in shard_batches(pin(shard(shop, day(2), "0of1")))
        for name, vector in zip(ids.to_pylist(), vectors, strict=True)
    }
    taken = cpu_s(lambda: embed(shop, day(2), "0of1", day(1), **more))
    made = pin(shard(shop, day(2), "0of1"))
    far = max(
        float(np.abs(vector - anew[name]).max())
        for ids, _, vectors in shard_batches(made)
        for name, vector in zip(ids.to_pylist(), vectors, strict=True)
    )
    say(
        name="a day's embeddings, delta against full",
        ours=round(taken, 2),
        peer=round(full, 2),
        peer_name="ours, full",
        ratio=round(full / taken, 2),
        unit="cpu_s",
        varied=f"{made.facts['encoded']} of {ITEMS} items encoded",
        saved_s_estimate=made.facts["saved_s"],
        largest_difference=round(far, 6),
    )


def storage() -> None:
    """Bytes, seconds to write and read, and what exact search finds of the first 100."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((2_000, 48)) @ rng.standard_normal((48, DIM))
    drawn = centres[rng.integers(0, 2_000, STORED + 500)] + 3 * rng.standard_normal((STORED + 500, DIM))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    asked, held = vectors[STORED:], vectors[:STORED]
    ids = pa.array([f"i{row:09d}" for row in range(STORED)])
    hashes = pa.array([f"{row:040x}" for row in range(STORED)])
    exact = faiss.knn(asked, held, 100, metric=faiss.METRIC_INNER_PRODUCT)[1]
    for kind in ("fp32", "fp16"):
        with tempfile.TemporaryDirectory() as folder:
            parts = ShardWriter(folder, "part", kind)

            def write(parts: ShardWriter = parts) -> None:
                for start in range(0, STORED, 16_384):
                    rows = slice(start, start + 16_384)
                    parts.write(Embedded(ids[rows], hashes[rows], held[rows]))
                parts.close()

            wrote = cpu_s(write)
            paths = [Path(folder) / name for name in parts.names]
            started = time.process_time()
            back = np.concatenate([part for path in paths for part in read(path)])
            took = time.process_time() - started
            found = faiss.knn(asked, back, 100, metric=faiss.METRIC_INNER_PRODUCT)[1]
            same = np.mean([len(np.intersect1d(*rows)) / 100 for rows in zip(exact, found, strict=True)])
            say(
                name="storage",
                varied=kind,
                bytes_item=round(sum(p.stat().st_size for p in paths) / STORED),
                write_cpu_s=round(wrote, 2),
                read_cpu_s=round(took, 2),
                overlap_at_100=round(float(same), 5),
            )


def read(path: Path) -> list[np.ndarray]:
    """Vectors of one file, as a shard's reader has them."""
    with pq.ParquetFile(path, memory_map=True) as file:
        return [matrix(batch.column(0)) for batch in file.iter_batches(16_384, columns=["embedding"])]


def say(**line: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """All of them, the delta in a lake of its own."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    encoding()
    storage()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NIGHTSHELF_LAKE"], os.environ["NIGHTSHELF_HOME"] = (f"{folder}/lake", f"{folder}/var")
        delta()


if __name__ == "__main__":
    main()

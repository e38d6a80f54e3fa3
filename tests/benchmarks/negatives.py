"""ROOM=negatives: mining against sentence-transformers' mine_hard_negatives(use_faiss=True), one thread.

Vectors are ready on both sides; everything else counts: dividing the catalogue, measuring the agreement,
searching, filtering. The agreement is that with exact search at the ranks wanted, over all queries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import torch

from jobs.lake.partitions import NEGATIVES
from jobs.towers.blockwise_search import BlockwiseSearch, SearchPlan
from jobs.towers.resume import Scratch, VectorFile
from models.ann.exact import nearest, pieces
from models.evaluation.recall import overlap
from models.mining.star import Likeness, MinedNegatives, RankWindow, mine
from models.training.batches import Known
from tests.benchmarks._compare import compare
from tests.jobs.towers.classroom import Args

ITEMS, DIM, WINDOW = 100_000, 128, RankWindow(10, 200, 8)
AT = NEGATIVES.at(ds="2026-01-31", space="0" * 16)
CENTRES, LATENT = 2_000, 48


def vectors(count: int, seed: int) -> np.ndarray:
    """Unit vectors of few latent dimensions around centres of unequal size, as texts' are."""
    rng = np.random.default_rng(0)
    lift = rng.standard_normal((LATENT, DIM), dtype=np.float32) / np.sqrt(LATENT)
    centres = rng.standard_normal((CENTRES, LATENT), dtype=np.float32)
    share = rng.dirichlet(np.full(CENTRES, 0.5))
    rng = np.random.default_rng(seed)
    latent = centres[rng.choice(CENTRES, count, p=share)]
    latent += 0.7 * rng.standard_normal((count, LATENT), dtype=np.float32)
    found = latent @ lift + 0.35 / np.sqrt(DIM) * rng.standard_normal((count, DIM), np.float32)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def ours(file: VectorFile, queries: np.ndarray, right: np.ndarray, search: str) -> tuple[MinedNegatives, np.ndarray]:
    """Mine as the job does, from a file; returns what was mined, and all that was found."""
    scratch = Scratch(AT, Args(AT), [])
    plan = SearchPlan(search, WINDOW.r_min, WINDOW.r_max, 8_192, 0.95, 0)
    known = Known(np.arange(len(queries)), right, len(queries))
    like = Likeness(np.arange(file.shape[0]), np.arange(file.shape[0]))
    find = BlockwiseSearch(plan, scratch, file, lambda rows: queries[rows], "cpu")
    found, mined = [], []
    for block in find.blocks(np.arange(len(queries)), known):
        mined.append(mine(block.rows, block.scores, block.query, known, like, WINDOW, 0))
        found.append(block.rows)
    scratch.remove()
    return mined[-1], np.concatenate(found)


class Ready:
    """A model of sentence-transformers whose vectors are ready: `d7` is item 7, `q7` query 7."""

    similarity_fn_name, device = "cosine", torch.device("cpu")

    def __init__(self, items: np.ndarray, queries: np.ndarray) -> None:
        self.sides = {"d": items, "q": queries}

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        return self.sides[texts[0][0]][[int(text[1:]) for text in texts]]

    encode_query = encode_document = encode

    def get_embedding_dimension(self) -> int:
        return DIM

    def similarity_pairwise(self, one: np.ndarray, other: np.ndarray) -> torch.Tensor:
        return (torch.as_tensor(one) * torch.as_tensor(other)).sum(-1)


def peer(items: np.ndarray, queries: np.ndarray, right: np.ndarray) -> object:
    """Mine as sentence-transformers does."""
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers.util import mine_hard_negatives

    disable_progress_bars()
    names = [f"d{row}" for row in range(len(items))]
    pairs = {"anchor": [f"q{row}" for row in range(len(queries))], "positive": [names[row] for row in right]}
    return mine_hard_negatives(
        Dataset.from_dict(pairs),
        Ready(items, queries),
        corpus=names,
        use_faiss=True,
        verbose=False,  # type: ignore[arg-type]
        range_min=WINDOW.r_min,
        range_max=WINDOW.r_max,
        num_negatives=WINDOW.per_query,
        sampling_strategy="top",
        output_format="labeled-pair",
    )


def peak_mb(path: str, count: int) -> float:
    """Peak memory of mining from a file of `count` items over that before, in a process of its own."""
    code = f"from tests.benchmarks.negatives import measure_peak; measure_peak({path!r}, {count})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(said.stdout)


def measure_peak(path: str, count: int) -> None:
    """Print by how many MB the memory of this process peaks while it mines."""
    queries = vectors(2_000, 2)
    warm = vectors(5_000, 3)
    nearest(queries[:64], pieces(warm), 8)
    _search(VectorFile(Path(path), 5_000, DIM), queries)  # libraries' own buffers come first
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    _search(VectorFile(Path(path), count, DIM), queries)
    sys.stdout.write(f"{(_status('VmHWM') - before) / 1024:.1f}")


def _search(file: VectorFile, queries: np.ndarray) -> None:
    ours(file, queries, np.zeros(len(queries), np.int64), "ivf")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    """Compare on one core."""
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NIGHTSHELF_HOME"] = folder
        path = Path(folder) / "items.f32"
        items = vectors(2 * ITEMS, 1)
        VectorFile(path, 2 * ITEMS, DIM).append(items)
        file, items = VectorFile(path, ITEMS, DIM), items[:ITEMS]
        for count in (5_000, 20_000):
            queries = vectors(count, 2)
            exact = nearest(queries, pieces(items), WINDOW.r_max)[1]
            right = exact[:, 0]
            for search in ("ivf", "exact") if count == 5_000 else ("ivf",):
                found = ours(file, queries, right, search)[1]
                agreement = overlap(found[:, WINDOW.r_min :], exact[:, WINDOW.r_min :])
                compare(
                    f"mining, {search}, agreement {agreement:.3f}",
                    lambda q=queries, r=right, s=search: ours(file, q, r, s),  # type: ignore[misc]
                    lambda q=queries, r=right: peer(items, q, r),  # type: ignore[misc]
                    "sentence-transformers, use_faiss",
                    count,
                    "queries",
                    f"{count:,} queries",
                    2,
                )
        peaks = {f"{n:,}": peak_mb(str(path), n) for n in (ITEMS // 2, ITEMS, 2 * ITEMS)}
        sys.stdout.write(
            json.dumps({"name": "peak memory of mining, ivf", "unit": "MB", "ours": peaks, "varied": "items"}) + "\n"
        )


if __name__ == "__main__":
    main()

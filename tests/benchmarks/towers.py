"""ROOM=towers: hashing trigrams, contrastive training against sentence-transformers, and what GradCache costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from sklearn.feature_extraction.text import HashingVectorizer

from models.text.trigrams import trigram_ids
from models.training.fit import fit
from tests.benchmarks._compare import compare
from tests.benchmarks._memory import peak_mib
from tests.benchmarks._pairs import TEMPERATURE, TOKENS, bert_towers, minilm_folder, texts, training

TITLES, BUCKETS = 50_000, 1 << 16
BATCH, MINI, ROUNDS = 512, 32, 2


def hashing() -> None:
    """Titles into trigrams, one core."""
    titles = texts(TITLES).titles
    peer = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=BUCKETS)
    compare(
        "trigram hashing",
        lambda: trigram_ids(titles, BUCKETS),
        lambda: peer.transform(titles),
        "scikit-learn char_wb",
        TITLES,
        "titles",
        "nothing",
    )


def ours(chunk: int, precision: str, losses: list[float]) -> Callable[[], object]:
    """One optimiser step a call."""
    steps: Iterator[object] = (
        losses.append(step.loss) for step in fit(training(bert_towers(), BATCH, ROUNDS + 1, chunk, precision))
    )
    return lambda: next(steps)


def theirs(losses: list[float]) -> Callable[[], object]:
    """The same step in sentence-transformers: same encoder, pairs, mini-batches, optimiser."""
    model = SentenceTransformer(str(minilm_folder()), device="cpu")
    model.max_seq_length = TOKENS
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    loss_of = CachedMultipleNegativesRankingLoss(model, mini_batch_size=MINI, scale=1 / TEMPERATURE)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01)
    begun = training(bert_towers(), BATCH, ROUNDS + 1, MINI, "fp32")
    batches = begun.batches(0)
    given = texts(BATCH * (ROUNDS + 1))
    model.train()

    def step() -> None:
        batch = next(batches)
        rows = batch.columns.item[batch.columns.positive]
        sides = [[side[row] for row in rows] for side in (given.queries, given.titles)]
        features = [model.preprocess(side) for side in sides]
        optimiser.zero_grad()
        loss = loss_of(features, torch.arange(BATCH))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))

    return step


def training_speed(precision: str) -> None:
    """Pairs a second of CPU, GradCache on both sides; the first step's losses stand beside."""
    mine: list[float] = []
    peers: list[float] = []
    compare(
        f"contrastive training, {precision}",
        ours(MINI, precision, mine),
        theirs(peers),
        "sentence-transformers CachedMultipleNegativesRankingLoss",
        BATCH,
        "pairs",
        f"B={BATCH}, mini-batch {MINI}, {precision} against fp32",
        ROUNDS,
    )
    say(name="first step's loss", ours=round(mine[0], 5), peer=round(peers[0], 5), varied=precision)


def gradcache_cost() -> None:
    """The plain loss keeps the graph of the whole batch; GradCache goes forward twice."""
    compare(
        "GradCache against the plain loss",
        ours(MINI, "auto", []),
        ours(0, "auto", []),
        "ours, plain",
        BATCH,
        "pairs",
        f"B={BATCH}, mini-batch {MINI}",
        ROUNDS,
    )


def memory() -> None:
    """Peak of the whole process, mixed towers, chunks of 32."""
    small, large = peak_mib(64, MINI, "minilm"), peak_mib(4096, MINI, "minilm")
    say(
        name="peak memory of mixed towers",
        ours=round(large),
        peer=round(small),
        peer_name="ours at B=64",
        ratio=round(large / small, 3),
        unit="MiB",
        varied="B=4096 against B=64",
    )


def say(**line: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """All of them; OMP_NUM_THREADS=1 for readings that other processes disturb least."""
    np.random.seed(0)  # the peers draw from it
    hashing()
    training_speed("fp32")
    training_speed("auto")
    gradcache_cost()
    memory()


if __name__ == "__main__":
    main()

"""Golden vectors: texts with their vectors on the machine that trained the towers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.bundle.files import GOLDEN
from jobs.lake.read import Pinned

LEAST_COSINE = 0.999  # other devices round differently; other weights are far off


def golden_texts(pinned: Pinned, side: str) -> list[str]:
    """The golden texts of a side, queries or items."""
    return [text for text, _ in json.loads(pinned.path(GOLDEN).read_text("utf-8"))[side]]


def check_vectors(pinned: Pinned, side: str, encode: Callable[[Sequence[str]], NDArray[np.float32]]) -> float:
    """Encode the golden texts of a side again; returns the smallest cosine with their vectors, 1 without texts.

    Raises:
        RuntimeError: a golden text's vector has moved.
    """
    golden = json.loads(pinned.path(GOLDEN).read_text("utf-8"))[side]
    if not golden:
        return 1.0
    texts = [text for text, _ in golden]
    expected = np.array([vector for _, vector in golden], np.float32)
    cosine = (encode(texts) * expected).sum(axis=1)
    if not (worst := float(cosine.min())) >= LEAST_COSINE:
        raise RuntimeError(
            f"{pinned.partition}: {texts[int(cosine.argmin())]!r} has cosine {worst:.4f} with its golden"
            f" vector, expected {LEAST_COSINE}; are torch, transformers, tokenizers and onnxruntime those"
            " of requirements.lock?"
        )
    return worst

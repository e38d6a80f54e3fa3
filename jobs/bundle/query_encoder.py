"""Queries -> unit vectors without torch: the query tower as ONNX, our trigrams, and the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jobs.bundle.files import CONFIG, QUERY_TOWER, TOKENIZER, WEIGHTS
from jobs.lake.read import Pinned
from models.text.normalise import normalise_query
from models.text.tokens import pad_id, set_length, token_store
from models.text.trigrams import trigram_ids
from models.towers.config import TowerConfig

Vectors = NDArray[np.float32]
Encoder = Callable[[Sequence[str]], Vectors]  # typed queries to unit vectors [Q, D]


class OnnxEncoder:
    """The query tower under onnxruntime. Threads may share it."""

    def __init__(self, session: ort.InferenceSession, tokenizer: Tokenizer, config: TowerConfig) -> None:
        set_length(tokenizer, config.max_tokens)
        self._session, self._tokenizer, self._config = session, tokenizer, config
        self._pad = pad_id(tokenizer)

    def __call__(self, queries: Sequence[str], /) -> Vectors:
        """Unit vectors [Q, D] of queries as typed, of several heads [Q, K * D], one after another: nothing is padded."""
        vectors = np.empty((len(queries), self._config.query_width), np.float32)
        for row, text in enumerate(queries):
            feeds = self._feeds(normalise_query(text))
            vectors[row] = self._session.run(None, feeds)[0][0].ravel()
        return vectors

    def _feeds(self, text: str) -> dict[str, NDArray[Any]]:
        feeds: dict[str, NDArray[Any]] = {}
        if self._config.has_trigrams:
            # each feature once, with its count: a very long text has few distinct ones
            features = trigram_ids([text], self._config.trigram_buckets)[0].astype(np.int64)
            ids, counts = np.unique(features, return_counts=True)
            if not len(ids):
                ids = counts = np.zeros(1, np.int64)
            feeds["trigram_ids"] = ids[None]
            feeds["trigram_counts"] = counts[None].astype(np.float32)
        if self._config.has_bert:
            tokens = token_store(self._tokenizer, [text], self._config.max_tokens)
            feeds["token_ids"], filled = tokens.pad(self._pad)
            feeds["token_mask"] = filled.astype(np.float32)
        return feeds


def open_encoder(pinned: Pinned, threads: int = 1) -> OnnxEncoder:
    """Open the query tower of a bundle; each file is checked first.

    The graph reads its weights from the safetensors file beside it. The system maps them, so that
    processes of one machine share them and a table is read row by row.
    """
    config = TowerConfig.from_dict(json.loads(pinned.path(CONFIG).read_text("utf-8")))
    tokenizer = Tokenizer.from_str(pinned.path(TOKENIZER).read_text("utf-8"))
    pinned.path(WEIGHTS)  # checked, and fetched into the folder of the graph
    return OnnxEncoder(session(pinned.path(QUERY_TOWER), threads), tokenizer, config)


def session(graph: Path, threads: int = 1) -> ort.InferenceSession:
    """An onnxruntime session on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # a thread that spins between products takes the core of another query
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

"""The export of the query tower for services without torch: an ONNX graph beside the weights that torch reads."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from jobs.bundle.files import CONFIG, GOLDEN, QUERY_TOWER, TOKENIZER, WEIGHTS
from jobs.bundle.query_encoder import Encoder, OnnxEncoder, session
from jobs.lake import storage as store
from models.towers.config import TowerConfig
from models.towers.encode import encode_queries
from models.towers.onnx_query_tower import Places, query_graph
from models.towers.two_tower import TwoTower

log = logging.getLogger(__name__)
MOST_APART = 1e-4
# typed by people and bots
HOSTILE = (
    *("", " ", "\x00\x1b[31m", "!!! ???", "\u200b\u00ad"),  # nothing, marks alone, control codes
    *("ŁÓDŹ zażółć", "İstanbul", "运动鞋", "👟👟", "\ud800"),  # other scripts
    *("a" * 300, "a" * 200_000, "red shoes " * 400, "ab" * 50_000),  # more than fits
    *("<script>alert(1)</script>", "{{ 7*7 }}", "iPhone-15/128GB"),
)


def write_query_tower(towers: TwoTower, folder: Path, queries: Sequence[str] = ()) -> float:
    """Write query_tower.onnx beside the weights of these towers, and compare its vectors with torch's.

    folder has the towers' other files already. queries: real ones, compared beside golden and hostile
    texts. Returns the largest difference of a component, in fp32.

    Raises:
        RuntimeError: it is more than 1e-4.
        ValueError: the towers have a part that the graph cannot express.
    """
    graph = query_graph(towers, WEIGHTS, tensor_places(folder / WEIGHTS))
    (folder / QUERY_TOWER).write_bytes(graph)
    store.fsync(folder / QUERY_TOWER)
    config = TowerConfig.from_dict(json.loads((folder / CONFIG).read_text("utf-8")))
    tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text("utf-8"))
    encoder = OnnxEncoder(session(folder / QUERY_TOWER), tokenizer, config)
    golden = json.loads((folder / GOLDEN).read_text("utf-8"))["queries"]
    texts = [*(text for text, _ in golden), *queries, *HOSTILE]
    apart = compare(towers, encoder, texts)
    log.info("%s: within %.1g of torch's vectors on %s queries", QUERY_TOWER, apart, len(texts))
    return apart


def compare(towers: TwoTower, encoder: Encoder, queries: Sequence[str]) -> float:
    """The largest difference of a component between torch in fp32 and another encoder.

    Raises:
        RuntimeError: it is more than 1e-4, or not a number.
    """
    apart = np.abs(encode_queries(towers, queries, precision="fp32") - encoder(queries)).max(axis=1)
    if not (worst := float(apart.max())) <= MOST_APART:
        raise RuntimeError(
            f"{QUERY_TOWER}: the vector of {queries[int(apart.argmax())][:80]!r} lies {worst:.2g} from torch's in"
            f" a component, expected at most {MOST_APART}; are torch, transformers and onnxruntime those of"
            " requirements.lock?"
        )
    return worst


def tensor_places(path: Path) -> Places:
    """(offset, bytes) of each tensor of a safetensors file: 8 bytes, a header of JSON, then the tensors."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, dict[str, list[int]]] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    spans = {name: about["data_offsets"] for name, about in header.items()}
    return {name: (8 + length + start, stop - start) for name, (start, stop) in spans.items()}

"""Towers on disk: config.json, tokenizer.json, weights.safetensors and golden.json. Nothing unpickles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from jobs.bundle.files import CONFIG, GOLDEN, TOKENIZER, WEIGHTS, check_vectors, read_golden
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned
from jobs.lake.storage import open_as_usual
from models.towers.encode import encode_items, encode_queries
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower


def write_towers(towers: TwoTower, folder: Path, queries: Sequence[str] = (), items: Sequence[str] = ()) -> None:
    """Write the towers' four files; golden.json has the vectors of the given texts.

    The texts are published with the towers: they must not come from queries that people typed.
    """
    config, tokenizer_json, tensors = towers.state()
    towers.eval()
    golden = {
        "space_id": space_id(towers),
        "queries": _golden(queries, encode_queries(towers, list(queries))),
        "items": _golden(items, encode_items(towers, list(items))),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True), "utf-8")
    (folder / TOKENIZER).write_text(tokenizer_json, "utf-8")
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    open_as_usual(folder / WEIGHTS)
    (folder / GOLDEN).write_text(json.dumps(golden, ensure_ascii=False), "utf-8")


def load_towers(pinned: Pinned) -> TwoTower:
    """Load towers from a partition that holds their files: `towers`, or the bundle of `index`.

    Raises:
        RuntimeError: a file is damaged, or the towers are not those of golden.json.
    """
    config = json.loads(pinned.path(CONFIG).read_text("utf-8"))
    tokenizer_json = pinned.path(TOKENIZER).read_text("utf-8")
    towers = TwoTower.from_state(config, tokenizer_json, load_file(pinned.path(WEIGHTS)))
    expected = read_golden(pinned)["space_id"]
    if (actual := space_id(towers)) != expected:
        raise RuntimeError(
            f"{pinned.partition}: its weights, tokenizer and config have space id {actual}, golden.json"
            f" has {expected}; its files are not of one version: run {pinned.manifest.job} again"
        )
    return towers


def load_towers_of(pinned: Pinned, target: Partition) -> TwoTower:
    """Load towers for encoding, onto the device, and check that the key of the target is their space id.

    Raises:
        ValueError: the target is of another space.
    """
    towers = load_towers(pinned)
    if (space := space_id(towers)) != target.values["space"]:
        raise ValueError(f"{target}: {pinned.partition} has space id {space}; write to {target.having(space=space)}")
    return towers.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def check_golden(towers: TwoTower, pinned: Pinned) -> None:
    """Refuse towers whose vectors differ from those on the machine that trained them.

    Raises:
        RuntimeError: a golden text's vector has moved.
    """
    check_vectors(pinned, "queries", partial(encode_queries, towers))
    check_vectors(pinned, "items", partial(encode_items, towers))


def _golden(texts: Sequence[str], vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[object]:
    return [[text, vector.tolist()] for text, vector in zip(texts, vectors, strict=True)]

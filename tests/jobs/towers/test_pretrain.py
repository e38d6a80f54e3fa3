"""prodBERT as a job: what it reads and must not, what it learns, kill and go on, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import ITEMS, PRODBERT, QUERIES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.platform.tracking import client
from jobs.towers import corpus, pretrain
from jobs.towers import train as towers
from jobs.towers.bert_checkpoint import bert_folder, load_bert, minilm_folder
from jobs.towers.corpus import Reader, read_corpus
from models.pretraining.masking import Masker
from models.text.tokens import train_tokenizer
from tests.jobs.towers.classroom import DS, IN_BATCH, SECRET, Args, publish_learning
from tests.jobs.towers.classroom import TABLES as LEARNING
from tests.killed import killed_at
from tests.models.shop import ITEMS as TITLES
from tests.models.shop import QUERIES as TEXTS

BERT_OF_DAY, ANOTHER = PRODBERT.at(ds=DS), PRODBERT.at(ds="2026-02-28")
TABLES = {"items": ITEMS.at(ds=DS), "queries": QUERIES.at(ds=DS)}
SMALL: dict[str, object] = {
    "hidden": 32,
    "layers": 1,
    "heads": 2,
    "vocabulary": 150,
    "max_tokens": 16,
    "batch_tokens": 128,
    "epochs": 3,
    "lr": 1e-2,
    "dev_frac": 0.2,
    "patience": 9,
}


def learn(**settings: object) -> dict[str, object]:
    given = {**TABLES, "prodbert": BERT_OF_DAY, **SMALL, **settings}
    return pretrain.main(pretrain.Args(**given))  # type: ignore[arg-type]


@pytest.fixture
def classroom(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_learning()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lake


def republish(name: str, column: str, values: list[str]) -> None:
    """The table again, with another column."""
    table = read_table(pin(TABLES[name]))
    place = table.schema.get_field_index(column)
    with publish(TABLES[name], Args(TABLES[name])) as out:
        out.write_table(table.set_column(place, column, pa.array(values)))


def weights(of: Partition) -> dict[str, torch.Tensor]:
    return load_file(pin(of).path("weights.safetensors"))


def test_it_learns_more_than_how_often_each_piece_comes(classroom: Path) -> None:
    said = learn(epochs=30)
    made = pin(BERT_OF_DAY)
    assert {entry.name for entry in made.entries()} == {
        "config.json",
        "tokenizer.json",
        "weights.safetensors",
        "curves.parquet",
    }
    facts = made.facts
    assert facts["dev_accuracy"] > facts["unigram_accuracy"]
    assert facts["dev_loss"] < facts["unigram_loss"]
    assert said == {"prodbert": str(BERT_OF_DAY), **facts}
    assert facts["start_dev_loss"] > facts["dev_loss"]
    assert facts["pieces_seen"] > 0
    assert 0 <= facts["padded_frac"] < 0.2

    curves = pq.read_table(made.path("curves.parquet")).to_pylist()
    exams = [point for point in curves if point["dev_loss"] is not None]
    assert [point["epoch"] for point in exams] == list(range(1, len(exams) + 1))
    best = min(exams, key=lambda point: point["dev_loss"])
    assert (best["epoch"], best["dev_loss"]) == (facts["best_epoch"], facts["dev_loss"])
    tracked = client().get_run(made.manifest.mlflow_run_id).data.metrics
    assert {"loss", "accuracy", "dev_loss", "dev_accuracy", "unigram_accuracy"} <= tracked.keys()
    home = Path(os.environ["NIGHTSHELF_HOME"])
    assert not list((home / "checkpoints").glob("*"))


def test_what_is_published_is_a_bert_that_loads(classroom: Path) -> None:
    learn(max_steps=3)
    made = pin(BERT_OF_DAY)
    bert, tokenizer = load_bert(bert_folder(made))
    settings = json.loads(made.path("config.json").read_text())
    assert settings["max_tokens"] == 16
    assert (
        settings["vocab_size"]
        == tokenizer.get_vocab_size()
        == len(weights(BERT_OF_DAY)["embeddings.word_embeddings.weight"])
    )
    assert settings["pad_token_id"] == tokenizer.token_to_id("[PAD]")
    # as Hugging Face would load it, and no name has a prefix or is of the pooling layer
    from transformers import BertModel

    assert all(name.startswith(("embeddings.", "encoder.")) for name in weights(BERT_OF_DAY))
    theirs = Path(os.environ["NIGHTSHELF_HOME"]) / "theirs"
    theirs.mkdir()
    (theirs / "config.json").write_bytes(made.path("config.json").read_bytes())
    (theirs / "model.safetensors").write_bytes(made.path("weights.safetensors").read_bytes())
    their = BertModel.from_pretrained(theirs, add_pooling_layer=False).eval()
    ids = torch.tensor([tokenizer.encode("czerwony rower").ids])
    with torch.inference_mode():
        ours = bert(input_ids=ids).last_hidden_state
        assert torch.equal(their(input_ids=ids).last_hidden_state, ours)


def test_texts_of_test_queries_enter_nowhere(classroom: Path) -> None:
    """Nor do those of dev queries teach; every row of the tables is accounted for."""
    learn(max_steps=1)
    made = pin(BERT_OF_DAY)
    assert SECRET not in made.path("tokenizer.json").read_text("utf-8")
    items, queries = made.manifest.accounting
    assert items.rows_in == len(TITLES)
    assert items.dropped["examine"] > 0
    assert queries.rows_in == len(TEXTS) + 1
    assert queries.rows_out == sum(row % 5 != 4 for row in range(len(TEXTS)))
    assert queries.dropped["of split test"] == 1
    reader = Reader(pin(TABLES["items"]), pin(TABLES["queries"]), 10**6, 0.2)
    read = {side: [t for chunk in reader.texts(side) for t in chunk] for side in ("train", "dev")}
    assert SECRET not in read["train"] + read["dev"]
    assert sorted(read["train"] + read["dev"]) == sorted(TITLES + TEXTS)


def test_killed_and_started_again_it_ends_as_if_nothing_had_been(classroom: Path) -> None:
    learn(checkpoint_s=0.0)
    killed_at("pretrain.step:7", lambda: learn(prodbert=ANOTHER, checkpoint_s=0.0))
    (checkpoint,) = (Path(os.environ["NIGHTSHELF_HOME"]) / "checkpoints").iterdir()
    torch.manual_seed(123)
    learn(prodbert=ANOTHER, checkpoint_s=0.0)
    straight, again = weights(BERT_OF_DAY), weights(ANOTHER)
    assert straight.keys() == again.keys()
    assert all(torch.equal(again[name], one) for name, one in straight.items())
    assert pin(ANOTHER).facts == pin(BERT_OF_DAY).facts
    curves = [pin(one).path("curves.parquet").read_bytes() for one in (BERT_OF_DAY, ANOTHER)]
    assert curves[0] == curves[1]
    assert not checkpoint.exists()


def test_it_ends_when_the_dev_loss_does_not_fall(classroom: Path) -> None:
    learn(lr=1e-12, epochs=9, patience=1)
    assert pq.read_table(pin(BERT_OF_DAY).path("curves.parquet"))["epoch"].to_pylist()[-1] == 2
    assert pin(BERT_OF_DAY).facts["best_epoch"] == 1


def test_with_nothing_to_examine_the_last_epoch_is_kept(classroom: Path, caplog: pytest.LogCaptureFixture) -> None:
    republish("queries", "split", ["train"] * (len(TEXTS) + 1))
    learn(dev_frac=0.0)
    facts = pin(BERT_OF_DAY).facts
    assert facts["best_epoch"] == 3
    assert "dev_loss" not in facts
    assert "no dev text to evaluate on" in caplog.text


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(classroom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pretrain, "write_bert", stop)
        learn(checkpoint_s=0.0)
    learn(seed=1, max_steps=2)
    first = weights(BERT_OF_DAY)
    learn(seed=1, max_steps=2, prodbert=ANOTHER)
    assert all(torch.equal(weights(ANOTHER)[name], one) for name, one in first.items())


def test_it_goes_on_from_an_earlier_one(classroom: Path) -> None:
    """By its address, recorded as an input; or as a folder. Tokenizer and size are the earlier one's."""
    learn(epochs=5)
    first = pin(BERT_OF_DAY)
    learn(prodbert=ANOTHER, start=str(BERT_OF_DAY), hidden=64, vocabulary=999, epochs=1, lr=1e-9)
    assert [source.partition for source in pin(ANOTHER).manifest.inputs][2:] == [str(BERT_OF_DAY)]
    assert pin(ANOTHER).path("tokenizer.json").read_bytes() == first.path("tokenizer.json").read_bytes()
    before, after = weights(BERT_OF_DAY), weights(ANOTHER)
    assert all(torch.allclose(after[name], one, atol=1e-6) for name, one in before.items())
    with pytest.raises(ValueError, match="max_tokens=500: .* reads 128 at most"):
        learn(prodbert=ANOTHER, start=str(bert_folder(first)), max_tokens=500, batch_tokens=1000)
    with pytest.raises(LookupError, match="not published"):
        learn(start="prodbert/ds=2020-01-01")


def test_it_goes_on_from_the_packaged_weights(classroom: Path) -> None:
    said = learn(start="minilm", max_steps=1, batch_tokens=64)
    bert, tokenizer = load_bert(bert_folder(pin(BERT_OF_DAY)))
    assert (bert.config.num_hidden_layers, tokenizer.get_vocab_size()) == (6, 30_522)
    assert said["dev_loss"]
    assert load_bert(minilm_folder())[1].get_vocab() == tokenizer.get_vocab()


def test_max_texts_bounds_what_is_held_and_sides_stay(classroom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, queries = pin(TABLES["items"]), pin(TABLES["queries"])
    monkeypatch.setattr(corpus, "CHUNK", 5)  # many chunks give the same as one

    def read(max_texts: int) -> dict[str, set[str]]:
        reader = Reader(items, queries, max_texts, 0.2)
        chunks = {side: list(reader.texts(side)) for side in ("train", "dev")}
        assert max(len(chunk) for side in chunks.values() for chunk in side) <= 5
        return {side: {t for chunk in chunks[side] for t in chunk} for side in chunks}

    every, some = read(10**6), read(8)
    assert every["train"] | every["dev"] == {*TITLES, *TEXTS}
    assert not every["train"] & every["dev"]
    assert some["train"] < every["train"]
    assert 4 <= len(some["train"]) <= 28
    assert some["dev"] == every["dev"]

    tokenizer = train_tokenizer(TITLES + TEXTS, 150)
    found = read_corpus(Reader(items, queries, 10**6, 0.2), tokenizer, Masker(tokenizer), 16, lambda n: None)
    assert found.train.values.dtype == found.dev.values.dtype == np.uint16
    assert found.items + found.queries == len(found.train)
    assert found.counts.sum() == Masker(tokenizer).word[found.train.values].sum()


def test_without_texts_to_learn_from_it_says_so(classroom: Path) -> None:
    """Queries of split test alone, and items without a title."""
    republish("items", "text", [""] * len(TITLES))
    republish("queries", "split", ["test"] * (len(TEXTS) + 1))
    with pytest.raises(ValueError, match="no text to learn from among 32 items and 0 queries"):
        learn(start=str(minilm_folder()))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 7}, "not a multiple of heads=7"),
        ({"epochs": 0}, "epochs=0: expected 1 or more"),
        ({"max_tokens": 2}, "max_tokens=2"),
        ({"mask_frac": 1.0}, "mask_frac=1.0: expected above 0, below 1"),
        ({"lr": float("nan")}, "lr=nan: expected above 0"),
        ({"precision": "fp8"}, "expected one of auto, fp32, bf16"),
        ({"start": "prodbert/ds=yesterday"}, "not a day"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pretrain.Args(**{**TABLES, "prodbert": BERT_OF_DAY, **wrong})  # type: ignore[arg-type]


def test_towers_stand_on_what_was_pretrained(classroom: Path) -> None:
    """Vectors of its PRODBERT before towers learn; an input of theirs; and they go through the corridor."""
    learn(epochs=2)
    made = pin(BERT_OF_DAY)
    said = towers.main(
        towers.Args(
            **LEARNING,  # type: ignore[arg-type]
            towers=IN_BATCH,
            prodbert=BERT_OF_DAY,
            preset="small",
            epochs=1,
            batch_size=12,
            dim=16,
            lr=1e-12,
        )
    )
    trained = pin(IN_BATCH)
    assert str(BERT_OF_DAY) in [source.partition for source in trained.manifest.inputs]
    found = load_towers(trained)
    assert said["space_id"] == trained.facts["space_id"]
    bert, tokenizer = load_bert(bert_folder(made))
    assert found.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert found.config.bert["hidden_size"] == 32
    assert found.config.max_tokens == 16
    ids = torch.tensor([tokenizer.encode("czerwony rower").ids])
    inner = found.item_tower.bert
    assert inner is not None
    with torch.inference_mode():
        ours = inner(ids, torch.ones_like(ids, dtype=torch.bool))
        mean = bert(input_ids=ids).last_hidden_state.mean(dim=1)
    assert torch.allclose(ours, torch.nn.functional.normalize(mean, dim=1), atol=1e-4)

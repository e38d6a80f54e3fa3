"""The masked language model: loss against the plain way, tied weights, the bar to beat."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.pretraining.masking import MaskedBatch, Masker
from models.pretraining.mlm import MaskedLM, evaluate, mask_dev_texts, masked_loss, unigram_baseline
from models.text.tokens import token_store, train_tokenizer
from models.towers.tower import new_bert
from tests.models.shop import BERT, ITEMS, QUERIES

TEXTS = ITEMS + QUERIES
TOKENIZER = train_tokenizer(TEXTS, 120)  # few pieces: most words have several
STORE = token_store(TOKENIZER, TEXTS, 16)


def model(seed: int = 0, counts: np.ndarray | None = None) -> MaskedLM:
    torch.manual_seed(seed)
    bert = new_bert(BERT, TOKENIZER.get_vocab_size(), Masker(TOKENIZER).pad)
    return MaskedLM(bert, counts).eval()


def masked(seed: int = 0) -> MaskedBatch:
    return Masker(TOKENIZER).mask_words(STORE, np.random.default_rng(seed))


def test_loss_is_that_over_the_whole_rectangle() -> None:
    """The plain way: logits [B, L, V] of every piece, and a label -100 where nothing is asked."""
    found, given = model(), masked()
    loss, right = masked_loss(found, given, "fp32")
    labels = torch.full(given.ids.shape, -100)
    labels.view(-1)[torch.from_numpy(given.places)] = torch.from_numpy(given.targets)
    states = found.bert(
        input_ids=torch.from_numpy(given.ids), attention_mask=torch.from_numpy(given.filled).long()
    ).last_hidden_state
    table = found.bert.embeddings.word_embeddings.weight
    logits = found.norm(functional.gelu(found.transform(states))) @ table.T + found.bias
    assert logits.shape == (*given.ids.shape, TOKENIZER.get_vocab_size())
    plain = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=1e-6)
    assert int(right) == int((logits.argmax(dim=2) == labels).sum())
    ours, theirs = (torch.autograd.grad(one, found.transform.weight, retain_graph=True)[0] for one in (loss, plain))
    assert torch.allclose(ours, theirs, atol=1e-7)


def test_a_step_down_the_gradient_lowers_the_loss() -> None:
    found, given = model(), masked()
    loss, _ = masked_loss(found, given, "fp32")
    loss.backward()
    with torch.no_grad():
        for weight in found.parameters():
            if weight.grad is not None:
                weight -= 0.05 * weight.grad
    assert evaluate(found, [given], "fp32").loss < float(loss.detach())


def test_half_precision_is_near() -> None:
    found, given = model(), [masked()]
    assert evaluate(found, given, "bf16").loss == pytest.approx(evaluate(found, given, "fp32").loss, rel=0.01)


def test_decoder_is_the_table_of_pieces() -> None:
    """One tensor, counted once; and a piece never asked for still learns from being seen."""
    found, given = model(), masked()
    vocabulary = TOKENIZER.get_vocab_size()
    big = [name for name, one in found.named_parameters() if vocabulary in one.shape and one.ndim > 1]
    assert big == ["bert.embeddings.word_embeddings.weight"]
    before, _ = masked_loss(found, given, "fp32")
    before.backward()
    table = found.bert.embeddings.word_embeddings.weight
    assert table.grad is not None
    # as an answer every piece has a gradient, also those that stand nowhere in the texts
    absent = np.setdiff1d(np.arange(vocabulary), given.ids)
    assert len(absent)
    assert (table.grad[torch.from_numpy(absent)].abs().sum(dim=1) > 0).all()


def test_padding_changes_nothing() -> None:
    found, given = model(), masked()
    wide = MaskedBatch(
        np.pad(given.ids, ((0, 0), (0, 3))),
        np.pad(given.filled, ((0, 0), (0, 3))),
        given.places // given.ids.shape[1] * (given.ids.shape[1] + 3) + given.places % given.ids.shape[1],
        given.targets,
    )
    losses = [evaluate(found, [one], "fp32").loss for one in (wide, given)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_bar_by_hand() -> None:
    """Three pieces with counts 1, 5, 2: the guess is piece 1; loss from (counts + 1) / 11."""
    none = np.zeros((0, 0), np.int64)
    exam = [MaskedBatch(none, none > 0, none[0:0, 0:0].ravel(), np.array(t)) for t in ([1, 2], [1, 0])]
    found = unigram_baseline(np.array([1, 5, 2]), exam)
    assert (found.pieces, found.accuracy) == (4, 0.5)
    assert found.loss == pytest.approx(-np.log([6 / 11, 3 / 11, 6 / 11, 2 / 11]).mean())


def test_a_model_that_knows_counts_alone_is_at_the_bar() -> None:
    """The head's bias starts from the counts: its loss is near that of a guess."""
    counts = np.bincount(STORE.values, minlength=TOKENIZER.get_vocab_size())
    exam = mask_dev_texts(Masker(TOKENIZER), STORE, 64, 0)
    assert len(exam) > 1
    knowing, ignorant = evaluate(model(counts=counts), exam), evaluate(model(), exam)
    bar = unigram_baseline(counts, exam)
    assert knowing.pieces == bar.pieces
    assert knowing.loss == pytest.approx(bar.loss, abs=0.15)
    # a table with more rows than there are pieces
    wide = new_bert(BERT, len(counts) + 100, 0)
    assert evaluate(MaskedLM(wide, counts).eval(), exam).loss == pytest.approx(knowing.loss, abs=0.5)
    assert ignorant.loss == pytest.approx(np.log(TOKENIZER.get_vocab_size()), abs=0.3)


def test_an_exam_is_the_same_every_time_and_leaves_the_model_as_it_was() -> None:
    masker = Masker(TOKENIZER)
    one, same = (mask_dev_texts(masker, STORE, 64, 5) for _ in range(2))
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(one, same, strict=True))
    found = model().train()
    first, again = evaluate(found, one), evaluate(found, one)
    assert found.training
    assert first == again  # no dropout in an exam
    assert evaluate(found, []).pieces == 0


def test_few_texts_are_asked_several_times_over() -> None:
    masker = Masker(TOKENIZER)
    few = mask_dev_texts(masker, STORE.take(np.arange(3)), 256, 5)
    assert sum(len(one.targets) for one in few) > 100
    assert mask_dev_texts(masker, STORE.take(np.arange(0)), 64, 5) == []

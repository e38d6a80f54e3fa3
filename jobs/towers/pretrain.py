"""Catalogue and queries -> prodBERT, trained on masked words.

python -m jobs prodbert --items items/ds=2026-01-31 --queries queries/ds=2026-01-31 --prodbert prodbert/ds=2026-01-31
python -m jobs prodbert ... --start minilm

Queries of split test are never read, neither for the tokenizer nor for training. After each epoch the model is
evaluated on held-out texts: a share of the items, and the queries of split dev; the best epoch is kept. A killed
training continues from its checkpoint. `python -m jobs towers --prodbert` starts from the result.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow.parquet as pq
import torch
from annotated_types import Ge, Interval
from tokenizers import Tokenizer
from transformers import BertModel

from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import (
    FIRST,
    CommandArgs,
    NonNegativeFloat,
    NonNegativeInt,
    OneOf,
    PositiveFloat,
    PositiveInt,
)
from jobs.platform.progress import progress
from jobs.platform.tracking import mlflow_run
from jobs.towers.bert_checkpoint import MINILM, bert_folder, bert_settings, load_bert, write_bert
from jobs.towers.corpus import Corpus, Reader, read_corpus
from jobs.towers.resume import resume_key
from jobs.towers.training_loop import Checkpoint, EpochScore, TrainingLoop
from models.pretraining.masking import MaskedBatch, Masker
from models.pretraining.mlm import MaskedLM, evaluate, mask_dev_texts, unigram_baseline
from models.pretraining.training import MaskedLMPlan, MaskedLMTraining
from models.text.tokens import pad_id, train_tokenizer
from models.towers.precision import PRECISIONS
from models.towers.space_id import fingerprint
from models.towers.tower import new_bert

log = logging.getLogger(__name__)
TOKENIZER_TEXTS = 1_000_000  # of items, and of queries; more do not change the tokenizer
MIN_POSITIONS = 128  # of a new BERT: towers may cut texts later than pre-training did
CURVES = ("loss", "accuracy", "lr", "padded_frac", "dev_loss", "dev_accuracy")


class Args(CommandArgs):
    """items          catalogue whose texts are read
    queries        those of split train are trained on, those of split dev evaluate, those of split test are not read
    prodbert       output
    start          weights to start from: minilm (the packaged ones), prodbert/ds=... (an earlier pre-training), or
                   a folder in Hugging Face's layout with safetensors; empty: random weights and a new tokenizer
    hidden         width of a new BERT
    layers         layers of a new BERT
    heads          attention heads of a new BERT
    vocabulary     tokens of a new tokenizer
    max_tokens     tokens after which a text is truncated
    epochs         epochs at most
    max_steps      steps after which training stops; 0: no limit
    patience       epochs without a lower dev loss before training stops
    batch_tokens   tokens per step, padding included; sets the memory that training needs
    lr             learning rate
    start_lr_frac  share of lr when training continues from `start`
    mask_frac      share of a text's words that are masked
    dev_frac       share of the items that evaluate instead of being trained on; 10,000 items at most
    max_texts      items, and queries, to train on; a sample where there are more: two bytes of memory a token
    precision      of matrix products; auto: bf16 where the device is fast at it
    checkpoint_s   seconds between checkpoints
    seed           of weights, order, masks and dropout
    """

    items: Partition
    queries: Partition
    prodbert: Partition
    start: Annotated[str, FIRST] = ""
    hidden: PositiveInt = 384
    layers: Annotated[PositiveInt, FIRST] = 6
    heads: PositiveInt = 12
    vocabulary: PositiveInt = 30_000
    max_tokens: Annotated[int, Ge(3)] = 48
    epochs: Annotated[PositiveInt, FIRST] = 10
    max_steps: NonNegativeInt = 0
    patience: PositiveInt = 2
    batch_tokens: Annotated[int, Ge(3), FIRST] = 16_384
    lr: Annotated[PositiveFloat, FIRST] = 5e-4
    start_lr_frac: PositiveFloat = 0.2
    mask_frac: Annotated[float, Interval(gt=0, lt=1)] = 0.15
    dev_frac: Annotated[float, Interval(ge=0, lt=1)] = 0.01
    max_texts: PositiveInt = 5_000_000
    precision: Annotated[str, OneOf(*PRECISIONS)] = "auto"
    checkpoint_s: NonNegativeFloat = 120.0
    seed: Annotated[NonNegativeInt, FIRST] = 0

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"hidden={self.hidden}: not a multiple of heads={self.heads}")
        if self.max_tokens > self.batch_tokens:
            raise ValueError(f"max_tokens={self.max_tokens}: expected at most batch_tokens={self.batch_tokens}")
        if self.start.startswith("prodbert/"):
            Partition.parse(self.start)


def main(args: Args) -> dict[str, object]:
    """Read, train, keep the best epoch, publish."""
    inputs = [pin(args.items), pin(args.queries)]
    if args.start.startswith("prodbert/"):
        inputs.append(pin(Partition.parse(args.start)))
    with mlflow_run("prodbert", args, inputs) as tracked, publish(args.prodbert, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        reader = Reader(inputs[0], inputs[1], args.max_texts, args.dev_frac)
        torch.manual_seed(args.seed)
        bert, tokenizer = _start(args, inputs, reader)
        begun = fingerprint(bert_settings(bert), tokenizer.to_str(), bert.state_dict())
        checkpoint = Checkpoint(args.prodbert, resume_key(args, inputs, begun, asdict(_plan(args))))
        masker = Masker(tokenizer, args.mask_frac)
        with progress("pretrain: reading", reader.total, "texts") as advance:
            corpus = read_corpus(reader, tokenizer, masker, args.max_tokens, advance)
        model = MaskedLM(bert, corpus.counts).to("cuda" if torch.cuda.is_available() else "cpu")
        training = MaskedLMTraining(model, corpus.train, masker, _plan(args))
        dev = mask_dev_texts(masker, corpus.dev, args.batch_tokens, args.seed)
        score = partial(_evaluate, model, dev, args.precision)
        loop = TrainingLoop("pretrain", training, score, checkpoint, tracked, args.patience, args.checkpoint_s)
        loop.run(evaluate_start=True)
        facts = _facts(loop, training, corpus) | _baseline(loop, training, corpus, dev)
        write_bert(bert, tokenizer, out.folder, args.max_tokens)
        pq.write_table(loop.curves(CURVES), out.folder / "curves.parquet", write_page_checksum=True)
        corpus.count(out, reader)
        out.facts.update(facts)
    checkpoint.remove()
    return {"prodbert": str(args.prodbert), **facts}


def _evaluate(model: MaskedLM, dev: list[MaskedBatch], precision: str) -> EpochScore:
    """Loss and accuracy on the dev texts; the lower loss is the better epoch."""
    if not dev:
        return EpochScore({}, np.zeros(0))
    score = evaluate(model, dev, precision)
    return EpochScore({"dev_loss": score.loss, "dev_accuracy": score.accuracy}, np.array([-score.loss]))


def _facts(loop: TrainingLoop, training: MaskedLMTraining, corpus: Corpus) -> dict[str, float]:
    """Figures before the first step and of the best epoch, and amounts read."""
    return {
        **{f"start_{name}": value for name, value in loop.start.items()},
        **loop.best,
        "items": corpus.items,
        "queries": corpus.queries,
        "pieces_seen": training.pieces,
        "padded_frac": training.padded_frac,
    }


def _baseline(
    loop: TrainingLoop, training: MaskedLMTraining, corpus: Corpus, dev: list[MaskedBatch]
) -> dict[str, float]:
    """Score of the unigram frequencies on the dev texts, which the model must better."""
    if not dev:
        log.warning("no dev text to evaluate on: the last epoch is kept, whether it is the best or not")
        return {}
    baseline = unigram_baseline(corpus.counts, dev)
    if loop.best["dev_accuracy"] <= baseline.accuracy:
        log.warning(
            "accuracy %.4f is no better than that of unigram frequencies, %.4f: train longer, or with another lr",
            loop.best["dev_accuracy"],
            baseline.accuracy,
        )
    figures = {"unigram_loss": baseline.loss, "unigram_accuracy": baseline.accuracy}
    loop.tracked.measures(figures, training.done)
    return figures


def _start(args: Args, inputs: Sequence[Pinned], reader: Reader) -> tuple[BertModel, Tokenizer]:
    """The BERT to start from and its tokenizer: given, or new."""
    if args.start:
        named = MINILM if args.start == MINILM else Path(args.start)
        bert, tokenizer = load_bert(bert_folder(inputs[2] if len(inputs) > 2 else named))
        if args.max_tokens > (most := int(bert.config.max_position_embeddings)):
            raise ValueError(f"max_tokens={args.max_tokens}: {args.start} reads {most} at most")
        return bert, tokenizer
    some = replace(reader, max_texts=min(args.max_texts, TOKENIZER_TEXTS))
    texts = [text for chunk in some.texts("train") for text in chunk]
    tokenizer = train_tokenizer(texts, args.vocabulary)
    settings = {
        "hidden_size": args.hidden,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads,
        "intermediate_size": 4 * args.hidden,
        "max_position_embeddings": max(MIN_POSITIONS, args.max_tokens),
    }
    return new_bert(settings, tokenizer.get_vocab_size(), pad_id(tokenizer)), tokenizer


def _plan(args: Args) -> MaskedLMPlan:
    lr = args.lr * (args.start_lr_frac if args.start else 1.0)
    return MaskedLMPlan(args.epochs, args.batch_tokens, lr, args.seed, args.max_steps, precision=args.precision)

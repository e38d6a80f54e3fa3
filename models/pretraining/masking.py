"""Whole-word masking: choose the pieces of a batch that are hidden and must be predicted.

BERT (Devlin et al. 2019, section 3.1), its words masked whole as in the later release of its authors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.text.ragged import Ragged
from models.text.tokens import pad_id

MASK_NAMES = ("[MASK]", "<mask>")
HIDDEN_FRAC, RANDOM_FRAC = 0.8, 0.1  # of the masked words; the rest stay as they are
Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class MaskedBatch:
    """ids [B, L] with masks in them, filled [B, L] True on pieces; places [M] of the masked ones in the
    flattened rectangle, targets [M] the pieces that were there."""

    ids: Ids
    filled: Flags
    places: Ids
    targets: Ids


class Masker:
    """Masks whole words; the vocabulary tells special pieces, inner pieces and ends of words."""

    def __init__(self, tokenizer: Tokenizer, mask_frac: float = 0.15) -> None:
        """mask_frac: of a text's words.

        Raises:
            ValueError: the tokenizer has no mask, or its pieces do not mark where words begin.
        """
        if not 0.0 < mask_frac < 1.0:
            raise ValueError(f"mask_frac={mask_frac}: expected a share of the words, as 0.15")
        masks = [number for name in MASK_NAMES if (number := tokenizer.token_to_id(name)) is not None]
        if not masks:
            raise ValueError(f"tokenizer: none of {', '.join(MASK_NAMES)} is in its vocabulary")
        self.mask, self.pad, self.mask_frac = masks[0], pad_id(tokenizer), mask_frac
        vocabulary = tokenizer.get_vocab()
        names = [""] * (1 + max(vocabulary.values()))
        for name, number in vocabulary.items():
            names[number] = name
        added = tokenizer.get_added_tokens_decoder()
        specials = {number for number, token in added.items() if token.special}
        # a number without a piece, and pieces in brackets ([unused7]), are no words either
        self.word = np.array(
            [
                bool(name) and number not in specials and not (name[0] == "[" and name[-1] == "]" and len(name) > 2)
                for number, name in enumerate(names)
            ]
        )
        self.inner = np.array([name.startswith("##") for name in names]) & self.word
        # pieces of other tokenizers (HerBERT's) mark the end of a word instead
        ends = np.array([name.endswith("</w>") for name in names]) & (not self.inner.any())
        self.continues = self.word & ~ends & ends.any()
        if not self.inner.any() and not ends.any():
            raise ValueError(
                "tokenizer: no piece begins with ## or ends with </w>, so whole words cannot be recognised;"
                " expected WordPiece"
            )
        self.ordinary = np.flatnonzero(self.word)

    def words(self, texts: Ragged) -> tuple[Ids, Flags]:
        """Word number of each value [T], ascending from 0, and which values are of a word at all."""
        pieces = texts.values
        of_word = self.word[pieces]
        joined = self.inner[pieces]
        joined[1:] |= self.continues[pieces[:-1]]
        # no word continues from a special piece or from another text
        joined[1:] &= of_word[:-1]
        joined[texts.offsets[:-1][texts.lengths > 0]] = False
        return np.cumsum(of_word & ~joined) - 1, of_word

    def has_words(self, texts: Ragged) -> Flags:
        """Texts [rows] that hold a word."""
        before = np.concatenate([[0], np.cumsum(self.word[texts.values])])
        return np.diff(before[texts.offsets]) > 0

    def mask_words(self, texts: Ragged, rng: np.random.Generator) -> MaskedBatch:
        """Mask a share of every text's words, drawn anew; texts without a masked word are left out.

        A text of n words has n * mask_frac of them masked, rounded up or down by chance, so a word is
        masked as often in a short text as in a long one. At least one word of the batch is masked. Every
        text must hold a word.
        """
        word, of_word = self.words(texts)
        drawn, fate = self._draw(texts, word, of_word, rng)
        chosen = of_word & drawn[word]
        random = self.ordinary[rng.integers(len(self.ordinary), size=len(word))]
        shown = texts.values.astype(np.int64)
        shown = np.where(chosen & (fate[word] < HIDDEN_FRAC + RANDOM_FRAC), random, shown)
        shown[chosen & (fate[word] < HIDDEN_FRAC)] = self.mask

        answers = np.full(len(word), -1, np.int64)
        answers[chosen] = texts.values[chosen]
        (ids, filled), (targets, _) = (_rectangle(values, texts, self.pad) for values in (shown, answers))
        targets[~filled] = -1
        kept = (targets >= 0).any(axis=1)
        width = int(filled[kept].sum(axis=1).max())
        targets = targets[kept, :width].ravel()
        places = np.flatnonzero(targets >= 0)
        return MaskedBatch(ids[kept, :width], filled[kept, :width], places, targets[places])

    def _draw(
        self, texts: Ragged, word: Ids, of_word: Flags, rng: np.random.Generator
    ) -> tuple[Flags, NDArray[np.float64]]:
        """Masked words [W], and a number in [0, 1) that decides how each is masked [W]."""
        row = np.repeat(np.arange(len(texts)), texts.lengths)[of_word]
        first = np.diff(word[of_word], prepend=-1) > 0
        row = row[first]
        counts = np.bincount(row, minlength=len(texts))
        quota = np.floor(counts * self.mask_frac + rng.random(len(texts))).astype(np.int64)
        key, fate = rng.random(len(row)), rng.random(len(row))
        # the words of a text in random order: the first `quota` of them
        order = np.lexsort((key, row))
        rank = np.empty(len(row), np.int64)
        rank[order] = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        drawn = rank < quota[row]
        if not drawn.any():
            drawn[key.argmin()] = True
        return drawn, fate


def _rectangle(values: Ids, texts: Ragged, fill: int) -> tuple[Ids, Flags]:
    return Ragged(values.astype(np.int32), texts.offsets).pad(fill)

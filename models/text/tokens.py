"""Word pieces: a tokenizer trained on the shop's own words, and the token store of many texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer

from models.text.ragged import Ragged, concatenate, ragged

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_CHUNK = 16_384  # texts tokenized at a time: bounds memory


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A lower-case WordPiece tokenizer with at most `vocabulary` pieces; diacritics are kept.

    The same texts give the same tokenizer, so that a training that starts again in another process
    has the same ids.
    """
    learner = _empty(WordPiece(unk_token=UNKNOWN))
    # the trainer numbers inner letters in the order of a hash table, and settles ties by number:
    # given beforehand, as if they were special, they have their numbers
    letters = sorted({letter for text in texts for letter in set(text.lower()) if _inner(letter)})
    given = SPECIAL + [f"##{letter}" for letter in letters]
    trainer = WordPieceTrainer(
        vocab_size=max(vocabulary, len(given)), special_tokens=given, min_frequency=2, show_progress=False
    )
    learner.train_from_iterator(texts, trainer, len(texts))
    tokenizer = _empty(WordPiece(learner.get_vocab(), unk_token=UNKNOWN))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}", special_tokens=[(name, tokenizer.token_to_id(name)) for name in (CLS, SEP)]
    )
    return tokenizer


def _empty(model: WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _inner(letter: str) -> bool:
    """Whether a character can be inside a word: letters, marks and digits can, punctuation cannot."""
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def token_store(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> Ragged:
    """Token ids of each text, special tokens included, cut to max_tokens; made once, joined by row."""
    set_length(tokenizer, max_tokens)
    parts = []
    for start in range(0, len(texts), _CHUNK):
        encoded = tokenizer.encode_batch_fast(list(texts[start : start + _CHUNK]))
        parts.append(ragged([encoding.ids for encoding in encoded]))
    return concatenate(parts)


def set_length(tokenizer: Tokenizer, max_tokens: int) -> None:
    """Set the length and padding with which all texts are read; they are part of a tokenizer's JSON."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)


def pad_id(tokenizer: Tokenizer) -> int:
    """The padding piece's id.

    Raises:
        ValueError: the tokenizer has none.
    """
    for name in (PAD, "<pad>"):
        if (number := tokenizer.token_to_id(name)) is not None:
            return int(number)
    raise ValueError(f"tokenizer has no padding piece: expected {PAD} or <pad> in its vocabulary")

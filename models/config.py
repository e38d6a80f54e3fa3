"""What a pair of towers is made of, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from models.normalise import NORMALISATION
from models.trigrams import TRIGRAMS

FUSIONS = ("gate", "sum")


@dataclass(frozen=True)
class TowerConfig:
    """Settings of both towers; everything here enters the space id.

    dim: D of the space. trigram_buckets: rows of the hashed embedding, a power of two.
    bert: settings of transformers' BertConfig, empty for towers without BERT. max_tokens: texts are
    cut there. vocabulary: pieces of a tokenizer trained here. shared: one set of weights for both
    towers, so that a word that only items have shown is known in queries too.
    """

    dim: int
    trigram_buckets: int = 1 << 17
    bert: Mapping[str, int | float | str] = field(default_factory=dict)
    max_tokens: int = 48
    vocabulary: int = 8192
    fusion: str = "gate"
    shared: bool = True
    text_template: str = "title"
    metric: str = "cosine"
    normalisation: str = NORMALISATION
    trigrams: str = TRIGRAMS

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion={self.fusion!r}: expected one of {', '.join(FUSIONS)}")
        if self.metric != "cosine":
            raise ValueError(f"metric={self.metric!r}: expected cosine")
        for name, own in (("normalisation", NORMALISATION), ("trigrams", TRIGRAMS)):
            if getattr(self, name) != own:
                raise ValueError(
                    f"towers were trained with {name} {getattr(self, name)}, this code has {own};"
                    " load them with the code version of their manifest, or train again"
                )

    def to_dict(self) -> dict[str, object]:
        """JSON-able settings."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, object]) -> TowerConfig:
        """Settings from JSON.

        Raises:
            ValueError: a setting is unknown or missing, or of another version of the rules.
        """
        unknown = set(settings) - {one.name for one in fields(cls)}
        if unknown or "dim" not in settings:
            raise ValueError(f"tower config: unknown {sorted(unknown)}, or dim missing")
        return cls(**settings)  # type: ignore[arg-type]


def _bert(hidden: int, layers: int, heads: int) -> dict[str, int | float | str]:
    return {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": 4 * hidden, "max_position_embeddings": 128}  # fmt: skip


# BERT's learning rate as a share of the hashed embedding's: pretrained weights want small steps
BERT_LR_FRAC = {"tiny": 0.2, "small": 0.2, "minilm": 0.01, "base": 0.04}

PRESETS: dict[str, TowerConfig] = {
    # the demo, tests, and shops with tens of thousands of pairs: a minute on two CPU cores. Without
    # BERT: one of one layer from random weights made training 20 times slower and no better. More
    # dimensions help more than more buckets: 2^15 x 384 has R@60 .734, 2^16 x 256 .717
    "tiny": TowerConfig(dim=384, trigram_buckets=1 << 15),
    # both encoders at the least size: what the tests take through the whole corridor
    "small": TowerConfig(
        dim=256, trigram_buckets=1 << 15, bert=_bert(64, 1, 2), max_tokens=24, vocabulary=4096
    ),
    # all-MiniLM-L6-v2 or another small pretrained BERT, handed in with its own tokenizer
    "minilm": TowerConfig(dim=384, bert=_bert(384, 6, 12)),
    # a GPU and millions of pairs
    "base": TowerConfig(
        dim=256, trigram_buckets=1 << 19, bert=_bert(768, 6, 12), vocabulary=50_000
    ),
}

"""Settings of a pair of towers, and the presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from models.text.normalise import NORMALISATION, READABLE
from models.text.trigrams import TRIGRAMS

FUSIONS = ("gate", "attention", "sum")
ENCODERS = ("both", "bert", "trigrams")
# later than the first towers, whose configs lack them: left out at their default, so that those keep their space id
_LATER = ("encoders", "query_layers", "cut", "items_of", "heads", "members", "member_weights")


@dataclass(frozen=True)
class TowerConfig:
    """Settings of both towers; everything here enters the space id.

    dim: D of the space. trigram_buckets: rows of the hashed embedding, a power of two.
    bert: settings of transformers' BertConfig, empty for towers without BERT. max_tokens: texts are
    cut there. vocabulary: pieces of a tokenizer trained here. shared: one set of weights for both
    towers, so that a word that only items have shown is known in queries too. encoders: which a
    tower has; both is trigrams alone where bert is empty. fusion: how the vectors of both are joined.
    query_layers: number of the items' first BERT layers that the query tower's own BERT has; 0: as
    items. When shared, both still have one table of trigrams and one of word pieces. cut: dimensions
    that vectors keep, at unit norm again; 0: all. items_of: space id of the
    towers whose item tower, and hence whose embeddings, these towers keep. heads: vectors of a query, K, each a
    projection of its own of what the query tower gives; an item is scored by the best of them. members: configs of
    the towers whose vectors these join (models.towers.ensemble), and member_weights: of each in a query.
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
    encoders: str = "both"
    query_layers: int = 0
    cut: int = 0
    items_of: str = ""
    heads: int = 1
    members: Sequence[Mapping[str, object]] = ()
    member_weights: Sequence[float] = ()

    def __post_init__(self) -> None:
        for name, known in (("fusion", FUSIONS), ("encoders", ENCODERS)):
            if (given := getattr(self, name)) not in known:
                raise ValueError(f"{name}={given!r}: expected one of {', '.join(known)}")
        if self.metric != "cosine":
            raise ValueError(f"metric={self.metric!r}: expected cosine")
        for name, readable in (("normalisation", list(READABLE)), ("trigrams", [TRIGRAMS])):
            if getattr(self, name) not in readable:
                raise ValueError(
                    f"towers were trained with {name} {getattr(self, name)}, this code has {' and '.join(readable)};"
                    " load them with the code version of their manifest, or train again"
                )
        if self.encoders == "bert" and not self.bert:
            raise ValueError("encoders=bert: this preset has no BERT; take small, minilm or base")
        layers = int(self.bert.get("num_hidden_layers", 12)) if self.has_bert else 0
        if not 0 <= self.query_layers <= layers:
            raise ValueError(f"query_layers={self.query_layers}: items' BERT has {layers} layers")
        if not 0 <= self.cut <= self.dim:
            raise ValueError(f"cut={self.cut}: expected 1 to {self.dim} dimensions, or 0 for all")
        if self.heads < 1 or (self.heads > 1 and self.cut):
            raise ValueError(
                f"heads={self.heads}, cut={self.cut}: expected one head or more, and whole vectors of several"
            )

    @property
    def has_trigrams(self) -> bool:
        """Whether towers have the shallow encoder."""
        return self.encoders != "bert"

    @property
    def has_bert(self) -> bool:
        """Whether towers have BERT."""
        return bool(self.bert) and self.encoders != "trigrams"

    @property
    def member_configs(self) -> list[TowerConfig]:
        """The configs of the members; empty for towers that are no ensemble."""
        return [TowerConfig.from_dict(member) for member in self.members]

    @property
    def width(self) -> int:
        """Dimensions of the vectors that come out: D, or the cut."""
        return self.cut or self.dim

    @property
    def query_width(self) -> int:
        """Numbers of a query's vectors, all heads together."""
        return self.width * self.heads

    def to_dict(self) -> dict[str, object]:
        """JSON-able settings."""
        defaults = {field.name: field.default for field in fields(self) if field.name in _LATER}
        return {name: value for name, value in asdict(self).items() if name not in defaults or value != defaults[name]}

    @classmethod
    def from_dict(cls, settings: Mapping[str, object]) -> TowerConfig:
        """Settings from JSON.

        Raises:
            ValueError: a setting is unknown or missing, or of another version of the features.
        """
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown or "dim" not in settings:
            raise ValueError(f"tower config: unknown {sorted(unknown)}, or dim missing")
        return cls(**settings)  # type: ignore[arg-type]


def _bert(hidden: int, layers: int, heads: int) -> dict[str, int | float | str]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 128,
    }


# BERT's learning rate as a share of the hashed embedding's: pretrained weights want small steps
BERT_LR_FRAC = {"tiny": 0.2, "small": 0.2, "minilm": 0.01, "base": 0.04}

PRESETS: dict[str, TowerConfig] = {
    # the demo, tests, and shops with tens of thousands of pairs: a minute on two CPU cores. Without
    # BERT: one of one layer from random weights made training 20 times slower and no better. More
    # dimensions help more than more buckets: 2^15 x 384 has R@60 .734, 2^16 x 256 .717
    "tiny": TowerConfig(dim=384, trigram_buckets=1 << 15),
    # both encoders at the smallest size, for the tests of the whole corridor
    "small": TowerConfig(dim=256, trigram_buckets=1 << 15, bert=_bert(64, 1, 2), max_tokens=24, vocabulary=4096),
    # all-MiniLM-L6-v2 or another small pretrained BERT, handed in with its own tokenizer
    "minilm": TowerConfig(dim=384, bert=_bert(384, 6, 12)),
    # a GPU and millions of pairs
    "base": TowerConfig(dim=256, trigram_buckets=1 << 19, bert=_bert(768, 6, 12), vocabulary=50_000),
}

"""Every table of the lake with its keys, version, columns and retention zone, and the addresses of partitions.

A partition is one string, the same in the CLI, the logs, MLflow and the DAGs: `pairs/ds=2026-01-31`. Standard library
only, because DAG files import it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from jobs.lake.columns import COLUMNS


def lake_root() -> str:
    """The lake's root: a folder or any URI that pyarrow.fs and Spark read (`NIGHTSHELF_LAKE`)."""
    return os.environ.get("NIGHTSHELF_LAKE", "lake").rstrip("/")


def trials_root() -> str:
    """The lake in which a trial keeps its trained tables, apart from the nightly lake (`NIGHTSHELF_TRIALS`); else empty."""
    return os.environ.get("NIGHTSHELF_TRIALS", "").rstrip("/")


def trial() -> str:
    """A short name of the trial under way, by its root; empty outside of trials."""
    root = trials_root()
    return hashlib.sha1(root.encode(), usedforsecurity=False).hexdigest()[:12] if root else ""


def _is_date(value: str) -> bool:
    """Only the canonical form: `date.fromisoformat` alone also takes 20260131 and 2026-W05-6."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_shard(value: str) -> bool:
    match = re.fullmatch(r"(0|[1-9][0-9]{0,4})of([1-9][0-9]{0,4})", value)
    return match is not None and int(match[1]) < int(match[2])


def _is_space_id(value: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{16}", value) is not None


def _is_step(value: str) -> bool:
    return value in ("in_batch", "star", "adore", "ensemble", "co_click")


def _is_kind(value: str) -> bool:
    return value in ("trees", "neural")


def _is_name(value: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9_]{0,62}", value) is not None


KEYS: dict[str, tuple[Callable[[str], bool], str]] = {
    "ds": (_is_date, "a day as YYYY-MM-DD"),
    "space": (_is_space_id, "a space id: 16 hexadecimal digits"),
    "shard": (_is_shard, "a shard such as 0of4"),
    "step": (_is_step, "in_batch, star, adore, ensemble or co_click"),
    "method": (_is_name, "a name of small letters, digits and _"),
    "kind": (_is_kind, "trees or neural"),
    "study": (_is_name, "a name of small letters, digits and _"),
}


# A table's zone: the kind of personal data in it. It decides how long a day is kept (`jobs.privacy.retention`).
RAW = "raw"  # as people typed it, with who and when
JUDGED = "judged"  # texts that people typed, chosen to be judged; without a client
DERIVED = "derived"  # made of the log: masked, counted, hashed
MODEL = "model"  # trained and built; an alias may hold it beyond its days
SHOP = "shop"  # the shop's own words
RECORD = "record"  # addresses and counts of what was deleted

# Names that manifests and pointers of older lakes still write; `python -m jobs migrate` renames their folders.
FORMER_TABLES = {
    "acts": "click_counts",
    "asked": "query_counts",
    "late": "late_impressions",
    "searchers": "query_users",
    "quantiser": "trained_index",
    "bert": "prodbert",
    "runs": "external_runs",
    "measures": "tower_metrics",
    "truth": "simulated_truth",
}
FORMER_KEYS = {"towers": "space"}


@dataclass(frozen=True)
class Table:
    """A table. A breaking change of its columns raises `version`, and with it the path.

    zone: the kind of personal data in it. trained: made by or after training, so a trial keeps it in its own lake.
    typed: texts of people that remain in a table of the zone MODEL. stands_for: the table whose flags take this one
    too, because it has the same columns, or serves in the same way.
    """

    name: str
    version: int
    keys: tuple[str, ...]
    zone: str
    trained: bool = False
    typed: str = "nothing"
    stands_for: str = ""

    def at(self, **values: str) -> Partition:
        """The partition with these key values. In a DAG a value may be a Jinja expression."""
        return Partition(self.name, tuple((key, values.pop(key, "")) for key in self.keys), tuple(values))

    def present(self, key: str) -> str:
        """A key's name today, given that or the former one, which older manifests hold."""
        now = FORMER_KEYS.get(key, key)
        return now if now in self.keys else key

    @property
    def root(self) -> str:
        """The lake that holds the table: a trial reads the lake's tables and trains in its own."""
        return (trials_root() if self.trained else "") or lake_root()

    @property
    def uri(self) -> str:
        """The folder below which its partitions lie."""
        return f"{self.root}/{self.name}_v{self.version}"

    @property
    def columns(self) -> dict[str, str]:
        """Column name -> Spark SQL type, in order; empty for tables that are files of another kind."""
        return COLUMNS.get(self.name, {})


@dataclass(frozen=True)
class Partition:
    """A checked address in the lake. `bool()` is False for `NOWHERE`, the partition that is not given."""

    name: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name and not self.pairs:
            return
        if self.name not in TABLES:
            raise ValueError(f"{self.name!r} is no table; the lake has {', '.join(TABLES)}")
        keys = tuple(key for key, _ in self.pairs)
        if self.unknown or keys != TABLES[self.name].keys:
            raise ValueError(
                f"{self.name}: found keys {'/'.join((*keys, *self.unknown)) or 'none'}, "
                f"expected {'/'.join(TABLES[self.name].keys)}"
            )
        for key, value in self.pairs:
            check, expected = KEYS[key]
            if not (value.startswith("{{") and value.endswith("}}")) and not check(value):
                raise ValueError(f"{self.name}: {key}={value!r} is not {expected}")

    @classmethod
    def parse(cls, text: str) -> Partition:
        """Read `pairs/ds=2026-01-31`; keys, characters and dates are checked, so no value can leave the lake.

        Raises:
            ValueError: unknown table, missing or unknown key, a value that is not exactly canonical.
        """
        if not text:
            return NOWHERE
        name, *rest = text.split("/")
        name = FORMER_TABLES.get(name, name)
        pairs = tuple((key, value) for key, _, value in (part.partition("=") for part in rest))
        if name in TABLES:
            pairs = tuple((TABLES[name].present(key), value) for key, value in pairs)
        if any("{" in value for _, value in pairs):
            raise ValueError(f"{text!r} still holds a template; it was not rendered")
        return cls(name, pairs)

    @property
    def table(self) -> Table:
        """The table of this partition."""
        return TABLES[self.name]

    @property
    def values(self) -> dict[str, str]:
        """Key -> value, in the table's order."""
        return dict(self.pairs)

    @property
    def ds(self) -> str:
        """The day, YYYY-MM-DD."""
        return self.values["ds"]

    @property
    def uri(self) -> str:
        """The partition's folder: below the lake's root, or below the trial's in a trial."""
        if any("{" in value for _, value in self.pairs):
            raise ValueError(f"{self} still holds a template; it was not rendered")
        folders = "/".join(f"{key}={value}" for key, value in self.pairs)
        return f"{self.table.uri}/{folders}"

    @property
    def root(self) -> str:
        """The lake that holds the partition."""
        return self.table.root

    def having(self, **values: str) -> Partition:
        """The same address with some values replaced."""
        return self.table.at(**{**self.values, **values})

    def __str__(self) -> str:
        return "/".join([self.name, *(f"{key}={value}" for key, value in self.pairs)])

    def __bool__(self) -> bool:
        return bool(self.name)


TABLES: dict[str, Table] = {}  # in the order in which a night makes them


def _table(
    name: str,
    version: int,
    keys: tuple[str, ...],
    zone: str,
    trained: bool = False,
    typed: str = "nothing",
    stands_for: str = "",
) -> Table:
    TABLES[name] = Table(name, version, keys, zone, trained, typed, stands_for)
    return TABLES[name]


# The raw zone: what the shop delivered (or a simulation made), untouched.
CATALOGUE = _table("catalogue", 1, ("ds",), SHOP)
LOG = _table("log", 1, ("ds",), RAW)
LABELS = _table("labels", 1, ("ds",), JUDGED)
SIMULATED_TRUTH = _table("simulated_truth", 1, ("ds",), RAW)
EXTERNAL_RUNS = _table("external_runs", 1, ("ds",), JUDGED)  # rankings of other engines, as files
ORDERS = _table("orders", 1, ("ds",), RAW)
QUERY_USERS = _table("query_users", 1, ("ds",), RAW)  # who typed what, in keyed hashes
# From the log to the report.
ITEMS = _table("items", 1, ("ds",), DERIVED)
IMPRESSIONS = _table("impressions", 1, ("ds",), DERIVED)
LATE_IMPRESSIONS = _table("late_impressions", 1, ("ds",), DERIVED)
ITEM_EVENTS = _table("item_events", 1, ("ds",), DERIVED)
SESSION_EVENTS = _table("session_events", 1, ("ds",), DERIVED)
CLICK_COUNTS = _table("click_counts", 1, ("ds",), DERIVED)
QUERY_COUNTS = _table("query_counts", 1, ("ds",), DERIVED)
PROPENSITIES = _table("propensities", 1, ("ds",), DERIVED)
ITEM_FEATURES = _table("item_features", 1, ("ds",), DERIVED)
PAIRS = _table("pairs", 2, ("ds",), DERIVED)
UNCLICKED = _table("unclicked", 1, ("ds",), DERIVED)
QUERIES = _table("queries", 1, ("ds",), DERIVED)
QRELS = _table("qrels", 1, ("ds",), DERIVED)
HOLDOUT_SESSIONS = _table("holdout_sessions", 1, ("ds",), DERIVED)
HOLDOUT_QUERIES = _table("holdout_queries", 1, ("ds",), DERIVED, stands_for="queries")
HOLDOUT_QRELS = _table("holdout_qrels", 1, ("ds",), DERIVED, stands_for="qrels")
SESSION_ITEMS = _table("session_items", 1, ("ds",), DERIVED)
CO_OCCURRENCES = _table("co_occurrences", 1, ("ds",), DERIVED)
ITEM2VEC = _table("item2vec", 1, ("ds", "method"), MODEL, trained=True)
ITEM_NEIGHBOURS = _table("item_neighbours", 1, ("ds", "method"), DERIVED)
RECOMMENDATIONS = _table("recommendations", 1, ("ds",), MODEL, stands_for="index")
USER_RECOMMENDATIONS = _table("user_recommendations", 1, ("ds", "method"), DERIVED)
PRODBERT = _table("prodbert", 1, ("ds",), MODEL, trained=True, typed="words of queries in the vocabulary")
TOWERS = _table(
    "towers", 1, ("ds", "step"), MODEL, trained=True, typed="golden queries, words of queries in the vocabulary"
)
CROSS_ENCODER = _table(
    "cross_encoder", 1, ("ds",), MODEL, trained=True, typed="words of queries in the vocabulary of its prodbert"
)
NEGATIVES = _table("negatives", 1, ("ds", "space"), DERIVED, trained=True)
EMBEDDINGS = _table("embeddings", 2, ("ds", "space", "shard"), MODEL, trained=True)
HYDRATION = _table("hydration", 1, ("ds", "space"), MODEL, trained=True)
TRAINED_INDEX = _table("trained_index", 1, ("ds", "space"), MODEL, trained=True, typed="vectors of canary queries")
CODES = _table("codes", 1, ("ds", "space", "shard"), MODEL, trained=True)
INDEX = _table(
    "index", 1, ("ds", "space"), MODEL, trained=True, typed="golden queries, words of queries in the vocabulary"
)
CATEGORIES = _table("categories", 1, ("ds", "space"), MODEL, trained=True)
LISTINGS = _table("listings", 1, ("ds", "space"), DERIVED, trained=True)
RANKER = _table("ranker", 1, ("ds", "kind"), MODEL, trained=True, stands_for="index")
RANKINGS = _table("rankings", 1, ("ds", "space"), DERIVED, trained=True)
REPORT = _table("report", 1, ("ds", "space"), MODEL, trained=True, typed="queries as examples")
TOWER_METRICS = _table("tower_metrics", 1, ("ds", "space"), DERIVED, trained=True)
SWEEP = _table("sweep", 1, ("ds", "study"), DERIVED)
# Records of deletions are kept for good.
ERASURES = _table("erasures", 1, ("ds",), RECORD)
RETENTION = _table("retention", 1, ("ds",), RECORD)

NOWHERE = Partition()


def table_today(name: str) -> str:
    """A table's name today, given that or the former one; empty where the lake has no such table."""
    name = FORMER_TABLES.get(name, name)
    return name if name in TABLES else ""


def table_folder(name: str) -> tuple[str, int] | None:
    """Table, by today's name, and version of a folder such as `pairs_v2`; None where it is no table's."""
    match = re.fullmatch(r"([a-z0-9_]+?)_v([0-9]+)", name)
    table = table_today(match[1]) if match else ""
    return (table, int(match[2])) if match and table else None


def spelled_today(address: str) -> str:
    """An address with today's names. A text that is no address of the lake stays as it is."""
    try:
        return str(Partition.parse(address))
    except ValueError:
        return address

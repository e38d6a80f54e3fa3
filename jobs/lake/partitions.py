"""The floor plan: every table of the lake, its keys, columns and version, and how a partition is addressed.

A partition is one string, the same in the CLI, the logs, MLflow and the DAGs: `pairs/ds=2026-01-31`. Standard library
only, because DAG files import it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from jobs.lake.columns import COLUMNS
from jobs.lake.keys import KEYS


def lake_root() -> str:
    """The lake's root: a folder or any URI that pyarrow.fs and Spark read (`NIGHTSHELF_LAKE`)."""
    return os.environ.get("NIGHTSHELF_LAKE", "lake").rstrip("/")


def trials_root() -> str:
    """Where a trial keeps the tables of TRAINED, out of the nightly lake (`NIGHTSHELF_TRIALS`); else empty."""
    return os.environ.get("NIGHTSHELF_TRIALS", "").rstrip("/")


def trial() -> str:
    """A short name of the trial under way, by its root; empty outside of trials."""
    root = trials_root()
    return hashlib.sha1(root.encode(), usedforsecurity=False).hexdigest()[:12] if root else ""


# what follows from training: in a trial these tables live apart
TRAINED = (
    "prodbert",
    "towers",
    "negatives",
    "embeddings",
    "trained_index",
    "codes",
    "index",
    "categories",
    "rankings",
    "report",
    "tower_metrics",
)


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
    """One noun of the corridor. A breaking change of columns bumps `version`, hence the path."""

    name: str
    version: int
    keys: tuple[str, ...]

    def at(self, **values: str) -> Partition:
        """The partition with these key values; a Jinja expression stands for a value in a DAG."""
        return Partition(self.name, tuple((key, values.pop(key, "")) for key in self.keys), tuple(values))

    def present(self, key: str) -> str:
        """The key's name today: manifests of older days still write the former one."""
        now = FORMER_KEYS.get(key, key)
        return now if now in self.keys else key

    @property
    def root(self) -> str:
        """The lake that holds the table: a trial reads the lake's tables and trains in its own."""
        return (trials_root() if self.name in TRAINED else "") or lake_root()

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
        """Where the partition lives: below the lake's root, or in a trial that of the trial."""
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


# The raw zone: what the shop delivered (or a simulation made), untouched.
CATALOGUE = Table("catalogue", 1, ("ds",))
LOG = Table("log", 1, ("ds",))
LABELS = Table("labels", 1, ("ds",))
SIMULATED_TRUTH = Table("simulated_truth", 1, ("ds",))
EXTERNAL_RUNS = Table("external_runs", 1, ("ds",))  # rankings of other engines, as files
QUERY_USERS = Table("query_users", 1, ("ds",))  # who typed what, in keyed hashes
# The corridor.
ITEMS = Table("items", 1, ("ds",))
IMPRESSIONS = Table("impressions", 1, ("ds",))
LATE_IMPRESSIONS = Table("late_impressions", 1, ("ds",))
CLICK_COUNTS = Table("click_counts", 1, ("ds",))
QUERY_COUNTS = Table("query_counts", 1, ("ds",))
PROPENSITIES = Table("propensities", 1, ("ds",))
PAIRS = Table("pairs", 2, ("ds",))
QUERIES = Table("queries", 1, ("ds",))
QRELS = Table("qrels", 1, ("ds",))
PRODBERT = Table("prodbert", 1, ("ds",))
TOWERS = Table("towers", 1, ("ds", "step"))
NEGATIVES = Table("negatives", 1, ("ds", "space"))
EMBEDDINGS = Table("embeddings", 2, ("ds", "space", "shard"))
TRAINED_INDEX = Table("trained_index", 1, ("ds", "space"))
CODES = Table("codes", 1, ("ds", "space", "shard"))
INDEX = Table("index", 1, ("ds", "space"))
CATEGORIES = Table("categories", 1, ("ds", "space"))
TOWER_METRICS = Table("tower_metrics", 1, ("ds", "space"))
SWEEP = Table("sweep", 1, ("ds", "study"))
RANKINGS = Table("rankings", 1, ("ds", "space"))
REPORT = Table("report", 1, ("ds", "space"))
# What was deleted, for good.
RETENTION = Table("retention", 1, ("ds",))

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        CATALOGUE,
        LOG,
        LABELS,
        SIMULATED_TRUTH,
        EXTERNAL_RUNS,
        QUERY_USERS,
        ITEMS,
        IMPRESSIONS,
        LATE_IMPRESSIONS,
        CLICK_COUNTS,
        QUERY_COUNTS,
        PROPENSITIES,
        PAIRS,
        QUERIES,
        QRELS,
        PRODBERT,
        TOWERS,
        NEGATIVES,
        EMBEDDINGS,
        TRAINED_INDEX,
        CODES,
        INDEX,
        CATEGORIES,
        RANKINGS,
        REPORT,
        TOWER_METRICS,
        SWEEP,
        RETENTION,
    )
}

NOWHERE = Partition()


def spelled_today(address: str) -> str:
    """An address with the names of today; a text that is not one of the lake's addresses stays as it is."""
    try:
        return str(Partition.parse(address))
    except ValueError:
        return address

"""A curated file of rules, read as judgements: what a shop knows before anybody clicks.

    query,words,verdict
    phone,case,irrelevant
    newest large iphone,iphone 16,relevant

A rule judges, for its query, the items whose title has all its words. Rules teach and never judge: only those of train
queries are taken, so no figure of a report rests on them.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake.arrow import Strings, large, pick, texts
from models.text.normalise import normalise_query, query_id

COLUMNS = ("query", "words", "verdict")
RELEVANT, IRRELEVANT = "relevant", "irrelevant"


@dataclass(frozen=True)
class Rule:
    """query: normalised. words: all of which a title has."""

    query: str
    words: tuple[str, ...]
    relevant: bool


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules.

    Raises:
        ValueError: a column is missing, or a line is no rule; names the line and what it should be.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise ValueError(f"{path.name}: found columns {reader.fieldnames}, expected {', '.join(missing)} too")
        return [_rule(row, f"{path.name}, line {reader.line_num}") for row in reader]


def _rule(row: dict[str, str | None], place: str) -> Rule:
    query, words, verdict = ((row[name] or "").strip() for name in COLUMNS)
    rule = Rule(normalise_query(query), tuple(normalise_query(words).split()), verdict.lower() == RELEVANT)
    if not rule.query or not rule.words or verdict.lower() not in (RELEVANT, IRRELEVANT):
        raise ValueError(
            f"{place}: found {query[:40]!r}, {words[:40]!r}, {verdict[:40]!r}; expected a query, words of a title, and"
            f" {RELEVANT} or {IRRELEVANT}"
        )
    return rule


def judgements_of(
    rules: list[Rule], items: pa.Table, scale: tuple[float, float], most: int
) -> tuple[pa.Table, dict[str, int]]:
    """Judgements (query_id, item_id, relevance) of the rules, and facts about them.

    items: item_id, title. scale: relevance of a relevant and of an irrelevant item. most: items of one rule, drawn by
    a fixed seed. Where two rules judge one item, the first does.
    """
    ids, titles = large(items.column("item_id").chunks), _lower(items)
    judged: dict[tuple[str, str], float] = {}
    without = 0
    for number, rule in enumerate(rules):
        rows = np.flatnonzero(_has_words(titles, rule.words))
        without += not len(rows)
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(number).choice(rows, most, replace=False))
        for item in texts(pick(ids, rows)):
            judged.setdefault((query_id(rule.query), item), scale[0 if rule.relevant else 1])
    table = pa.table(
        {
            "query_id": pa.array([query for query, _ in judged], pa.string()),
            "item_id": pa.array([item for _, item in judged], pa.string()),
            "relevance": pa.array(list(judged.values()), pa.float64()),
        }
    )
    return table, {"rules": len(rules), "rule_items": len(judged), "rules_without_item": without}


def _lower(items: pa.Table) -> Strings:
    lower: Any = pc.utf8_lower(large(items.column("title").chunks))
    titles: Strings = lower
    return titles


def _has_words(titles: Strings, words: tuple[str, ...]) -> NDArray[np.bool_]:
    """Whether each title has all the words, as whole words."""
    found = np.ones(len(titles), np.bool_)
    for word in words:
        pattern = rf"(^|[^\pL\pN]){re.escape(word)}($|[^\pL\pN])"
        matched: Any = pc.match_substring_regex(titles, pattern)
        found &= matched.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def digest(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

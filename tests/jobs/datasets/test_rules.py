"""A curated file of rules: what it judges, what it refuses, and that it never judges a figure."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from jobs.datasets import qrels
from jobs.datasets.rules import judgements_of, read_rules
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import ITEMS, LABELS, QRELS, QUERIES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from models.text.normalise import query_id
from tests.conftest import Delivery

TITLES = {
    "a": "Apple iPhone 16 black",
    "b": "Leather CASE for iPhone 16",
    "c": "Bookcase, oak",  # `case` is no word of it
    "d": "Phone-case, red",
}
RULES = """query,words,verdict
Phone,case,irrelevant
newest large iphone,iphone 16,Relevant
phone,"phone case",relevant
phone,lamp,irrelevant
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.csv"
    path.write_text(RULES, "utf-8")
    return path


def test_a_rule_judges_the_items_that_have_all_its_words(rules: Path) -> None:
    items = pa.table({"item_id": list(TITLES), "title": list(TITLES.values())})
    table, facts = judgements_of(read_rules(rules), items, (2.33, 1.0), 100)
    phone, newest = query_id("phone"), query_id("newest large iphone")
    assert {tuple(row.values()) for row in table.to_pylist()} == {
        (phone, "b", 1.0),
        (phone, "d", 1.0),  # the first rule that judges it wins
        (newest, "a", 2.33),
        (newest, "b", 2.33),
    }
    assert facts == {"rules": 4, "rule_items": 4, "rules_without_item": 1}
    few, _ = judgements_of(read_rules(rules)[1:2], items, (2.33, 1.0), 1)
    assert few.num_rows == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,title,verdict\n", "expected words too"),
        ("query,words,verdict\nphone,case,bad\n", "rules.csv, line 2: found 'phone', 'case', 'bad'; expected"),
        ("query,words,verdict\nphone,,relevant\n", "line 2"),
        ("query,words,verdict\n,case,relevant\n", "line 2"),
    ],
)
def test_a_file_that_is_no_rules_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rules.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        read_rules(path)


def put(to: Partition, rows: list[dict[str, object]], **facts: float) -> Partition:
    with publish(to, Delivery(to)) as out:
        out.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(to.table)))
        out.facts.update(facts)
    return to


@pytest.mark.spark
def test_rules_join_what_people_judged(lake: Path, rules: Path) -> None:
    """People win over a rule; a rule of a dev query is left out and counted."""
    day = "2026-01-31"
    items = put(ITEMS.at(ds=day), [{"item_id": item, "title": title} for item, title in TITLES.items()])
    splits = {"phone": "train", "newest large iphone": "dev"}
    known = [{"query_id": query_id(text), "query": text, "split": split} for text, split in splits.items()]
    queries = put(QUERIES.at(ds=day), known)
    judged = [{"query": "phone", "item_id": "b", "relevance": 3.0}]
    labels = put(LABELS.at(ds=day), judged, min_relevance=2.0, zero_gain=0.5)
    wanted = QRELS.at(ds=day)
    qrels.main(qrels.Args(queries, items, wanted, labels=labels, rules=str(rules)))
    rows = {
        (row["query_id"], row["item_id"]): (row["relevance"], row["source"])
        for row in read_table(pin(wanted)).to_pylist()
    }
    phone = query_id("phone")
    assert rows == {(phone, "b"): (3.0, "labels"), (phone, "d"): (0.5, "rules")}
    counted = pin(wanted).manifest.accounting[0]
    assert counted.dropped == {"rule_not_of_train": 2, "judged_by_people": 1}
    assert pin(wanted).facts["rules"] == 4

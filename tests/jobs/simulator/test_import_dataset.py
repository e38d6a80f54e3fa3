"""Labelled data sets in three layouts: made-up files, broken rows, and the real one where it is at hand."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import Pinned, pin, read_table
from jobs.simulator import import_dataset as labelled
from tests.real_data import DATA, needs

DS = "2026-01-31"


def taken(folder: Path, locale: str = "us") -> tuple[Pinned, Pinned]:
    args = labelled.Args(str(folder), CATALOGUE.at(ds=DS), LABELS.at(ds=DS), locale)
    labelled.main(args)
    return pin(args.catalogue), pin(args.labels)


def rows(pinned: Pinned) -> list[dict[str, object]]:
    return read_table(pinned).to_pylist()


@pytest.fixture
def folder(tmp_path: Path, lake: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def test_a_csv_pair_with_every_fault_is_counted_row_by_row(folder: Path) -> None:
    (folder / "items.csv").write_bytes(
        b"item_id,title,brand,price,note\n"
        b'1,"Lampa, wisz\xc4\x85ca",Eglo,19.5,x\n'  # good: a comma inside quotes, diacritics
        b"2,Kubek,,abc,\n"  # good: an unreadable price is no price
        b"3,Dywan\n"  # two columns short
        b",Bez numeru,,,\n"  # no item_id
        b"4,  ,,,\n"  # no title
        b"5,Zl\xff\xfey,,,\n"  # not UTF-8
        b" 1.0 ,Lampa znowu,,,\n"  # an id for the second time
        b"6,\xe2\x80\x8b&nbsp;,,,\n"  # a title of nothing visible
    )
    (folder / "relevance.csv").write_text(
        "query,item_id,relevance,split\n"
        "lampa, 1.0,3,train\n"
        "lampa,2,0,test\n"  # the same query on two sides: all of it is test
        " LAMPA ,2,1,\n"  # another spelling of it: kept for qrels, and test as well
        "kubek,2,2.5,val\n"  # dev by another name
        "kubek,9,1,dev\n"  # an item nobody has
        "kubek,1,much,dev\n"  # no number
        "kubek,1,nan,dev\n"  # no number either
        "kubek,1,1,holdout\n"  # no split we know
        "lampa,1,2,train\n"  # judged before
        ",1,1,train\n"  # no query
        "\u200b,1,1,train\n",  # a query of nothing visible
        "utf-8",
    )
    catalogue, labels = taken(folder)
    items = rows(catalogue)
    assert [item["title"] for item in items] == ["Lampa, wisząca", "Kubek"]
    assert [item["price"] for item in items] == ["19.5", "abc"]  # `items` reads prices and counts what is none
    assert set(items[0]) == {"item_id", "title", "brand", "price"}
    assert [tuple(row.values()) for row in rows(labels)] == [
        ("lampa", "1", 3.0, "test"),
        ("lampa", "2", 0.0, "test"),
        (" LAMPA ", "2", 1.0, "test"),
        ("kubek", "2", 2.5, "dev"),
    ]
    (of_items,), (of_labels,) = catalogue.manifest.accounting, labels.manifest.accounting
    assert of_items.rows_in == 8
    assert of_items.dropped == {"wrong_width": 1, "not_utf8": 1, "no_item_id": 1, "no_title": 2, "duplicate_item": 1}
    assert of_labels.rows_in == 11
    assert of_labels.dropped == {
        "no_query": 2,
        "bad_relevance": 2,
        "bad_split": 1,
        "unknown_item": 1,
        "duplicate_judgement": 1,
    }
    assert labels.facts["queries_of_several_splits"] == 1
    assert not labels.manifest.simulated
    lines = catalogue.path("quarantine/items.ndjson").read_text().splitlines()
    assert {json.loads(line)["reason"] for line in lines} == set(of_items.dropped)
    assert "3,Dywan" in lines[0]


def test_esci_grades_by_letter_and_keeps_its_split(folder: Path) -> None:
    product = {
        "product_id": ["B1", "B2", "B1"],
        "product_title": ["Red mug", "Blue mug", "Taza roja"],
        "product_description": ["", "", ""],
        "product_bullet_point": ["", "", ""],
        "product_brand": ["Acme", None, "Acme"],
        "product_color": ["red", None, "rojo"],
        "product_locale": ["us", "us", "es"],
    }
    example = {
        "example_id": range(6),
        "query": ["mug", "mug", "cup", "cup", "taza", "mug"],
        "query_id": [1, 1, 2, 2, 3, 1],
        "product_id": ["B1", "B2", "B1", "B2", "B1", "B7"],
        "product_locale": ["us", "us", "us", "us", "es", "us"],
        "esci_label": ["E", "S", "C", "I", "E", "E"],
        "small_version": [1] * 6,
        "large_version": [1] * 6,
        "split": ["train", "train", "test", "test", "train", "train"],
    }
    pd.DataFrame(product).to_parquet(folder / "shopping_queries_dataset_products.parquet")
    pd.DataFrame(example).to_parquet(folder / "shopping_queries_dataset_examples.parquet")
    catalogue, labels = taken(folder)
    assert [tuple(row.values()) for row in rows(labels)] == [
        ("mug", "B1", 3.0, "train"),
        ("mug", "B2", 2.0, "train"),
        ("cup", "B1", 1.0, "test"),
        ("cup", "B2", 0.0, "test"),
    ]
    assert labels.manifest.accounting[0].dropped == {"unknown_item": 1}
    assert [(row["title"], row["brand"], row["attributes"]) for row in rows(catalogue)] == [
        ("Red mug", "Acme", '{"color": "red"}'),
        ("Blue mug", "", ""),
    ]
    assert [row["query"] for row in rows(taken(folder, locale="es")[1])] == ["taza"]


def test_wands_joins_its_three_files(folder: Path) -> None:
    (folder / "product.csv").write_text(
        "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_features\n"
        "0\tsolid wood bed\tBeds\tFurniture / Beds\tcolour : oak|width:160| x\n"
        '1\t"desk, ""small"""\tDesks\t\t\n'
    )
    (folder / "query.csv").write_text("query_id\tquery\tquery_class\n0\toak bed\tBeds\n1\tdesk\tDesks\n")
    (folder / "label.csv").write_text(
        "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t1\tIrrelevant\n"
        "2\t1\t1\tPartial\n3\t1\t0\tPerhaps\n4\t7\t0\tExact\n"
    )
    catalogue, labels = taken(folder)
    assert [tuple(row.values()) for row in rows(labels)] == [
        ("oak bed", "0", 2.0, None),
        ("oak bed", "1", 0.0, None),
        ("desk", "1", 1.0, None),
    ]
    assert labels.manifest.accounting[0].dropped == {"no_query": 1, "no_relevance": 1}
    bed, desk = rows(catalogue)
    assert bed["category"] == "Furniture > Beds"
    assert json.loads(str(bed["attributes"])) == {"colour": "oak", "width": "160"}
    assert desk["title"] == 'desk, "small"'


def test_a_folder_of_no_layout_says_what_was_found_and_expected(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title\n1,a\n")
    (folder / "labels.csv").write_text("x\n")
    with pytest.raises(LookupError, match=r"found \['items.csv', 'labels.csv'\], expected .*relevance.csv"):
        taken(folder)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        taken(folder / "nowhere")


def test_a_missing_column_is_named(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,name\n1,a\n")
    (folder / "relevance.csv").write_text("query,item_id,relevance\nq,1,1\n")
    with pytest.raises(ValueError, match=r"items.csv: .*found columns .*expected also \['title'\]"):
        taken(folder)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("items.csv", b'item_id,title\n1,oak\n2,"12in pan\n3,lamp\n4,"14in pan\n5,rug\n', r"line 3 \(data line 2\)"),
        ("items.csv", "item_id,title,größe\n1,a,3\n".encode("cp1252"), "not UTF-8 .*Windows-1252"),
        ("items.csv", "item_id,title\n1,a\n".encode("utf-16"), "UTF-16"),
        ("items.csv", b"item_id,title,title\n1,a,b\n", "'title' 2 times"),
        ("items.csv", b"", "empty"),
        ("relevance.csv", b'query,item_id,relevance\n"a,1,1\nb,1,2\n', r"line 2 \(data line 1\)"),
        ("relevance.csv", b"query,item_id,relevance,split,split\na,1,1,train,test\n", "'split' 2 times"),
    ],
)
def test_a_file_that_would_be_misread_is_refused_by_name(folder: Path, name: str, data: bytes, expected: str) -> None:
    (folder / "items.csv").write_text("item_id,title\n1,a\n")
    (folder / "relevance.csv").write_text("query,item_id,relevance\nq,1,1\n")
    (folder / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name}: not readable as CSV \(.*{expected}"):
        taken(folder)


def test_files_without_one_usable_row_are_refused(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title\n")
    (folder / "relevance.csv").write_text("query,item_id,relevance\nq,1,1\n")
    with pytest.raises(ValueError, match="of 0 items none is usable"):
        taken(folder)
    (folder / "items.csv").write_text("item_id,title\n1,a\n")
    (folder / "relevance.csv").write_text("query,item_id,relevance\nq,7,1\n")
    with pytest.raises(ValueError, match="of 1 judgements none is usable"):
        taken(folder)


@needs("homedepot")
def test_home_depot_is_taken_whole(lake: Path) -> None:
    catalogue, labels = taken(DATA / "homedepot")
    assert catalogue.manifest.rows == 54_667
    assert labels.manifest.rows == 51_881
    assert labels.facts["queries"] == 8_233
    assert not labels.manifest.accounting[0].dropped
    assert pq.read_schema(catalogue.files()[0]).names == ["item_id", "title"]

"""Labelled data sets in three layouts: made-up files, broken rows, and the real one where it is at hand."""

import gzip
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


def wands(folder: Path, queries: str, labels: str) -> None:
    names = enumerate(("oak shelf", "red armchair", "blue rug"), 1)
    products = "".join(f"{number}\t{name}\n" for number, name in names)
    (folder / "product.csv").write_text("product_id\tproduct_name\n" + products)
    (folder / "query.csv").write_text("query_id\tquery\n" + queries)
    (folder / "label.csv").write_text("id\tquery_id\tproduct_id\tlabel\n" + labels)


def test_judgements_of_a_query_id_with_two_texts_are_set_aside(folder: Path) -> None:
    """Nobody knows which of the two texts of 44 was judged; the two spellings of 45 are one query."""
    queries = "44\toak shelf\n44\tred armchair\n45\tblue rug\n45\tBlue  rug\n45 \tblue rug\n"
    wands(folder, queries, "0\t44\t1\tExact\n1\t44\t2\tExact\n2\t44\t3\tIrrelevant\n3\t45\t3\texact\n")
    labels = taken(folder)[1]
    assert [(row["query"], row["item_id"], row["relevance"]) for row in rows(labels)] == [("blue rug", "3", 2.0)]
    assert labels.manifest.accounting[0].dropped == {"query_id_of_several_texts": 3}


def test_labels_that_nobody_knows_are_named(folder: Path) -> None:
    wands(folder, "1\tshelf\n", "0\t1\t1\tGood\n1\t1\t2\tBad\n2\t1\t3\tGood\n")
    with pytest.raises(ValueError, match=r"label.csv: its label are \{'Good': 2, 'Bad': 1\}, expected exact, partial"):
        taken(folder)


def csv_pair(folder: Path, grades: list[float]) -> None:
    """Query q with item n of grade n, and query p with the first one."""
    (folder / "items.csv").write_text("item_id,title\n" + "".join(f"{n},thing {n}\n" for n in range(len(grades))))
    judged = [f"q,{n},{grade}\n" for n, grade in enumerate(grades)]
    (folder / "relevance.csv").write_text("query,item_id,relevance\n" + "".join([*judged, f"p,0,{grades[0]}\n"]))


@pytest.mark.parametrize(
    ("grades", "settings", "scale"),
    [
        ([3, 1, 0, -2], {}, (2.0, 0.0)),  # junk gains no less than 0, and 0 gains nothing
        ([1, -1], {}, (0.67, 0.0)),
        ([3, 2, 1], {}, (2.33, 1.0)),  # Home Depot's scale: 1 is irrelevant
        ([2, 1], {"min_relevance": 1.0, "zero_gain": 0.0}, (1.0, 0.0)),  # positives only
        ([2, 1], {"zero_gain": 0.0}, (1.67, 0.0)),
        ([3, 2, 1, 0], {"min_relevance": 3.0}, (3.0, 0.0)),
        ([1, 1], {}, (1.0, 0.0)),
        ([0.5, 0.5], {}, (0.5, 0.0)),
    ],
)
def test_the_scale_is_as_given_or_assumed_and_told(
    folder: Path, grades: list[float], settings: dict[str, float], scale: tuple[float, float]
) -> None:
    csv_pair(folder, grades)
    told = labelled.main(labelled.Args(str(folder), CATALOGUE.at(ds=DS), LABELS.at(ds=DS), **settings))
    facts = pin(LABELS.at(ds=DS)).facts
    assert (facts["min_relevance"], facts["zero_gain"]) == scale
    said = f"from {scale[0]:g} on an item counts as relevant, {scale[1]:g} and below gain nothing"
    assert said in str(told["assumed"]) and "--min_relevance, --zero_gain" in str(told["assumed"])


@pytest.mark.parametrize(
    ("grades", "settings"),
    [([0, 0], {}), ([0, -2], {}), ([-1, -3], {}), ([2, 1], {"min_relevance": 5.0}), ([3, 1], {"zero_gain": 2.9})],
)
def test_a_scale_on_which_nothing_counts_is_refused(
    folder: Path, grades: list[float], settings: dict[str, float]
) -> None:
    csv_pair(folder, grades)
    with pytest.raises(ValueError, match=r"grades from .*none would; give --min_relevance and --zero_gain"):
        labelled.main(labelled.Args(str(folder), CATALOGUE.at(ds=DS), LABELS.at(ds=DS), **settings))


def esci(folder: Path, labels: list[str], locale: str = "us") -> None:
    count = len(labels)
    product = {"product_id": [f"B{n}" for n in range(count)], "product_title": ["mug"] * count}
    product |= dict.fromkeys(("product_brand", "product_color"), [""] * count) | {"product_locale": [locale] * count}
    example = {"query": ["mug"] * count, "product_id": product["product_id"], "product_locale": [locale] * count}
    example |= {"esci_label": labels, "split": ["train"] * count}
    pd.DataFrame(product).to_parquet(folder / "shopping_queries_dataset_products.parquet")
    pd.DataFrame(example).to_parquet(folder / "shopping_queries_dataset_examples.parquet")


def test_esci_reads_the_words_of_its_first_release_and_names_what_it_does_not_know(folder: Path) -> None:
    esci(folder, ["exact", "substitute", "complement", "irrelevant"])
    assert [row["relevance"] for row in rows(taken(folder)[1])] == [3.0, 2.0, 1.0, 0.0]
    with pytest.raises(ValueError, match=r"products.parquet: no row has product_locale 'uk'; it has us \(4 rows\)"):
        taken(folder, locale="uk")
    esci(folder, ["good", "bad"])
    with pytest.raises(
        ValueError, match=r"examples.parquet: its esci_label are .*'good': 1.*expected e, s, c, i, exact"
    ):
        taken(folder)
    (folder / "shopping_queries_dataset_examples.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match=r"examples.parquet: not readable as Parquet"):
        taken(folder)


def beir(folder: Path, packed: bool = False) -> None:
    """Three items, one of them without a title and one with an empty one, and a query of each split."""
    documents = [
        {"_id": "d1", "title": "oak shelf", "text": "two boards", "metadata": {"url": "x"}},
        {"_id": "d2", "title": float("nan"), "text": "red armchair"},
        {"_id": 3.0, "text": "blue rug }{"},
    ]
    asked = [
        {"_id": "q1", "text": "shelf", "metadata": {}},
        {"_id": "q2", "text": "armchair"},
        {"_id": 3, "text": "rug"},
    ]
    splits = {"train": "q1\td1\t2", "dev": "q2\td2\t1", "test": "3\t3\t1\n3\td9\t1\n7\td1\t1"}
    files = {
        "corpus.jsonl": "\ufeff" + "".join(json.dumps(row) + "\n" for row in documents),
        "queries.jsonl": "".join(json.dumps(row) + "\n" for row in asked),
        **{f"qrels/{split}.tsv": f"query-id\tcorpus-id\tscore\n{lines}\n" for split, lines in splits.items()},
    }
    (folder / "qrels").mkdir()
    for name, text in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)


def test_files_put_behind_each_other_and_values_that_are_none(folder: Path) -> None:
    """A header that comes again is no row; `nan` is neither a title nor a query; WANDS' ids as floats meet."""
    (folder / "items.csv").write_text(
        "item_id,title\n1,lamp\n2,nan\n3,#N/A\n\ufeffitem_id,title\n4,<b>desk</b>\n", "utf-8"
    )
    (folder / "relevance.csv").write_text(
        "query,item_id,relevance\nlamp,1,1\nnan,1,1\nquery,item_id,relevance\nlamp,4,0\n"
    )
    catalogue, labels = taken(folder)
    assert [(row["item_id"], row["title"]) for row in rows(catalogue)] == [("1", "lamp"), ("4", "desk")]
    assert [(row["item_id"], row["relevance"]) for row in rows(labels)] == [("1", 1.0), ("4", 0.0)]
    (of_items,), (of_labels,) = catalogue.manifest.accounting, labels.manifest.accounting
    assert (of_items.rows_in, of_items.dropped) == (4, {"no_title": 2})
    assert (of_labels.rows_in, of_labels.dropped) == (3, {"no_query": 1})
    for name in ("items.csv", "relevance.csv"):
        (folder / name).unlink()
    (folder / "product.csv").write_text("product_id\tproduct_name\n7\tlamp\n")
    (folder / "query.csv").write_text("query_id\tquery\n0\tred lamp\n")
    (folder / "label.csv").write_text("id\tquery_id\tproduct_id\tlabel\n0\t0.0\t7.0\tExact\n")
    assert [tuple(row.values()) for row in rows(taken(folder)[1])] == [("red lamp", "7", 2.0, None)]


@pytest.mark.parametrize("packed", [False, True])
def test_beir_keeps_its_splits_and_counts_from_1(folder: Path, packed: bool) -> None:
    beir(folder, packed)
    catalogue, labels = taken(folder)
    assert [(row["item_id"], row["title"], row["attributes"]) for row in rows(catalogue)] == [
        ("d1", "oak shelf", '{"text": "two boards"}'),
        ("d2", "red armchair", ""),
        ("3", "blue rug }{", ""),
    ]
    assert [tuple(row.values()) for row in rows(labels)] == [
        ("shelf", "d1", 2.0, "train"),
        ("armchair", "d2", 1.0, "dev"),
        ("rug", "3", 1.0, "test"),
    ]
    assert labels.manifest.accounting[0].dropped == {"unknown_item": 1, "no_query": 1}
    # as trec_eval, which BEIR is judged by: grade 1 of 1 and 2 is relevant
    assert (labels.facts["min_relevance"], labels.facts["zero_gain"]) == (1.0, 0.0)
    assert labels.facts["layout"] == "beir"


@pytest.mark.parametrize(
    ("gone", "splits"), [(["train", "dev"], {None}), (["train"], {"dev", "test"}), ([], {"train", "dev", "test"})]
)
def test_a_set_of_test_queries_alone_is_split_by_hash_where_asked(
    folder: Path, gone: list[str], splits: set[str | None]
) -> None:
    beir(folder)
    for split in gone:
        (folder / "qrels" / f"{split}.tsv").unlink()
    args = labelled.Args(str(folder), CATALOGUE.at(ds=DS), LABELS.at(ds=DS), splits="auto")
    told = str(labelled.main(args)["assumed"])
    assert {row["split"] for row in rows(pin(args.labels))} == splits
    assert ("the split is a hash" in told) == (splits == {None})
    assert {row["split"] for row in rows(taken(folder)[1])} == splits - {None} | {"test"}


def test_faults_of_beirs_files_are_counted_or_named(folder: Path) -> None:
    beir(folder)
    with (folder / "corpus.jsonl").open("ab") as file:
        file.write(
            b'{"_id": "d4", "title": "lam\n[1]\n"text"\n{"_id": "d5", "title": "\xff"}\n\n{"title": "no id"}\n{"_id": "d6", "title": "lamp \\ud83d"}\n'
        )
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"_id": "q1", "text": "another"}\n')
    catalogue, labels = taken(folder)
    of_items = catalogue.manifest.accounting[0]
    assert of_items.dropped == {"malformed": 3, "not_utf8": 1, "no_item_id": 1}
    assert of_items.rows_in == 9
    assert rows(catalogue)[-1]["title"] == "lamp ?"
    assert labels.manifest.accounting[0].dropped["query_id_of_several_texts"] == 1
    (folder / "qrels" / "dev.tsv").write_text("q2\td2\t1\n")
    with pytest.raises(
        ValueError, match=r"dev.tsv: .*found columns .*expected also \['query-id', 'corpus-id', 'score'\]"
    ):
        taken(folder)
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "d1", "title": "x"}\n' * 999)[:-9])
    with pytest.raises(ValueError, match=r"corpus.jsonl.gz: cannot be read to its end"):
        taken(folder)
    (folder / "corpus.jsonl.gz").unlink()
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "x"}\n')
    for path in (folder / "qrels").iterdir():
        path.unlink()
    (folder / "qrels" / "validation.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(
        ValueError, match=r"qrels: found \['validation.tsv'\], expected some of train.tsv, dev.tsv, test.tsv"
    ):
        taken(folder)


def test_a_folder_of_no_layout_says_what_was_found_and_expected(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title\n1,a\n")
    (folder / "labels.csv").write_text("x\n")
    with pytest.raises(LookupError, match=r"found \['items.csv', 'labels.csv'\], expected .*relevance.csv"):
        taken(folder)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        taken(folder / "nowhere")


def test_a_link_among_its_files_is_refused(folder: Path) -> None:
    (folder.parent / "secret.csv").write_text("item_id,title\n1,password\n")
    (folder / "items.csv").unlink(missing_ok=True)
    (folder / "items.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "relevance.csv").write_text("query,item_id,relevance\na,1,1\n")
    with pytest.raises(ValueError, match="items.csv: found 1 symbolic links"):
        taken(folder)


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

"""items: three file formats give the same items; rejected rows are counted and kept in quarantine."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.ingest.items import TEXT_TEMPLATE, Args, main
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import ITEMS, Partition
from jobs.lake.read import pin, read_table
from tests.models.text.item_text import item_text

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]
DS = "2026-01-31"
Deliver = Callable[[str, dict[str, bytes]], Partition]

SHOE = {
    "item_id": "1",
    "title": "Buty, zimowe",
    "category": "Moda > Buty",
    "brand": 'Nike "Air"',
    "attributes": {"rozmiar": "42", "kolor": "czarny"},
    "price": 199.9,
    "group_id": "g1",
}


def run(catalogue: Partition) -> tuple[list[dict[str, Any]], Manifest]:
    out = ITEMS.at(ds=DS)
    main(Args(catalogue, out))
    return read_table(pin(out)).to_pylist(), pin(out).manifest


def csv(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def parquet(rows: list[dict[str, Any]], **types: pa.DataType) -> bytes:
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


FORMATS = {
    "items.ndjson": json.dumps(SHOE).encode(),
    "items.ndjson.gz": gzip.compress(json.dumps(SHOE | {"item_id": 1, "category": ["Moda", "Buty"]}).encode()),
    "items.csv": csv(
        "item_id,title,category,brand,attributes,price,group_id",
        '1,"Buty,\n zimowe",Moda > Buty,"Nike ""Air""","{""rozmiar"": 42, ""kolor"": ""czarny""}",199.90,g1',
    ),
    # Excel of most of Europe; names that Spark would not take
    "semicolon.csv": csv(
        "item_id;title;Title;a.b;;category;brand;attributes;price;group_id",
        '1;Buty, zimowe;x;y;z;Moda > Buty;"Nike ""Air""";"{""rozmiar"": 42, ""kolor"": ""czarny""}";199,90;g1',
    ),
    # other columns, another order, a byte order mark
    "items.csv.gz": gzip.compress(
        b"\xef\xbb\xbf"
        + csv(
            "group_id,colour,title,item_id,category,brand,price,attributes",
            'g1,red,"Buty, zimowe",1,Moda>Buty,"Nike ""Air""",199.9,"{""kolor"": ""czarny"", ""rozmiar"": ""42""}"',
        )
    ),
    "items.parquet": parquet([SHOE], price=pa.float64(), attributes=pa.map_(pa.string(), pa.string())),
    "path.parquet": parquet(
        [SHOE | {"item_id": 1, "category": ["Moda", "Buty"], "attributes": json.dumps(SHOE["attributes"])}],
        item_id=pa.int64(),
        price=pa.float32(),
        category=pa.list_(pa.string()),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_means_the_same(deliver: Deliver, name: str) -> None:
    rows, manifest = run(deliver(f"catalogue/ds={DS}", {name: FORMATS[name]}))
    (row,) = rows
    assert row.pop("categories") == [row["category"]]
    assert row.pop("currency") is None
    attributes = dict(row.pop("attributes"))
    text, digest = row.pop("text"), row.pop("content_hash")
    assert row.pop("price") == pytest.approx(199.9, abs=1e-4)
    assert row == {name: SHOE[name] for name in row}
    assert attributes == SHOE["attributes"]
    assert text == item_text(row["title"], row["category"], row["brand"], attributes)
    assert len(digest) == 40
    assert manifest.facts["text_template"] == TEXT_TEMPLATE
    assert manifest.facts["repairs"] == {}
    assert manifest.facts["drift"]["stop"] == 0


def test_what_is_no_item_is_counted(deliver: Deliver) -> None:
    lines = csv(
        "item_id,title,price",
        "1,stary,1",
        "2,kubek,-5",  # a price is mended, its row kept
        ",bez id,1",
        "3,,1",
        "4",  # a row cut short
        "1,nowy,2",  # the last one wins
    )
    torn = b'{"item_id": "5", "title": "ok"}\n{"item_id": "6", "tit\n\n'
    rows, manifest = run(deliver(f"catalogue/ds={DS}", {"a.csv": lines, "b.ndjson": torn}))
    assert {row["item_id"]: (row["title"], row["price"]) for row in rows} == {
        "1": ("nowy", 2.0),
        "2": ("kubek", None),
        "5": ("ok", None),
    }
    (account,) = manifest.accounting
    assert (account.rows_in, account.rows_out) == (8, 3)
    assert account.dropped == {"malformed": 2, "no_item_id": 1, "no_title": 1, "duplicate": 1}
    assert manifest.facts["repairs"] == {"price mended": 1}
    aside = pq.read_table(pin(ITEMS.at(ds=DS)).path("quarantine/rejected-00000.parquet")).to_pylist()
    assert len(aside) == 5
    assert {(row["reason"], row["file"]) for row in aside} >= {("malformed", "b.ndjson"), ("no_title", "a.csv")}


def test_most_prices_tell_the_decimal_sign(deliver: Deliver) -> None:
    prices = ["5,99", "1.299,00", "1.299", "5.99 USD", 1.299, "5d", "7,50"]
    raw = "\n".join(json.dumps({"item_id": n, "title": "x", "price": price}) for n, price in enumerate(prices))
    catalogue = deliver(f"catalogue/ds={DS}", {"a.ndjson": raw.encode()})
    out = ITEMS.at(ds=DS)
    said = main(Args(catalogue, out))
    # a number has no doubtful sign, whatever the texts say
    wanted = [5.99, 1299.0, 1299.0, 5.99, 1.299, None, 7.5]
    assert [row["price"] for row in read_table(pin(out)).to_pylist()] == wanted
    # the number counts as a price with a point
    assert said["prices"] == pin(out).facts["prices"] == {"decimal_sign": "comma", "comma": 3, "point": 2, "either": 1}


def test_prices_that_nobody_can_read_are_told(deliver: Deliver) -> None:
    lines = csv("item_id;title;price", *(f"{n};x;1.{n}" for n in range(200, 220)), "1;y;ab", "2;z;cd")
    catalogue = deliver(f"catalogue/ds={DS}", {"a.csv": lines})
    out = ITEMS.at(ds=DS)
    said = main(Args(catalogue, out))
    lead = f"{catalogue}: 20 prices such as 1.299 can be read in two ways and no other tells how: read with a decimal point"
    assert said["alerts"][0].startswith(lead)
    assert said["alerts"][1] == f"{catalogue}: 2 of 22 prices cannot be read and are NULL"
    assert read_table(pin(out)).to_pylist()[2]["price"] == 1.2
    main(Args(catalogue, out, decimal_sign="comma"))
    assert read_table(pin(out)).to_pylist()[2]["price"] == 1200.0


def test_twice_is_the_same_bytes(deliver: Deliver) -> None:
    rows = [{"item_id": f"{n % 90}", "title": f"rzecz {n}"} for n in range(100)]
    raw = "\n".join(map(json.dumps, rows)).encode()
    catalogue = deliver(f"catalogue/ds={DS}", {"a.ndjson.gz": gzip.compress(raw)})
    found, first = run(catalogue)
    assert run(catalogue)[1].content_sha256 == first.content_sha256
    # a gzip file keeps its order: the last line of an id won
    assert {row["item_id"]: row["title"] for row in found}["9"] == "rzecz 99"


def test_texts_without_a_type_and_files_behind_each_other(deliver: Deliver) -> None:
    """Parquet whose texts are bytes, beside a column that goes through JSON; CSV with its header again."""
    rows = [{"item_id": "1", "title": "lampa", "category": [{"name": "Dom"}]}]
    kinds = {"title": pa.binary(), "category": pa.list_(pa.struct([("name", pa.string())]))}
    again = csv("item_id,title", "2,kubek", "\ufeffitem_id,title", "3,dywan")
    trailing = b'{"item_id": "4", "title": "taca"},\n'
    found, manifest = run(
        deliver(f"catalogue/ds={DS}", {"a.parquet": parquet(rows, **kinds), "b.csv": again, "c.ndjson": trailing})
    )
    assert [(row["item_id"], row["title"], row["category"]) for row in found] == [
        ("1", "lampa", "Dom"),
        ("2", "kubek", ""),
        ("3", "dywan", ""),
        ("4", "taca", ""),
    ]
    (account,) = manifest.accounting
    assert (account.rows_in, account.dropped) == (4, {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"a.ndjson": b'{"_index": "i", "_source": {"item_id": "1", "title": "x"}}\n'},
            r"found the fields _index, _source, where records are wrapped \(elasticdump: jq -c \._source\)",
        ),
        ({"a.csv": csv("id,title", "1,x")}, r"a\.csv has no column item_id; found id, title"),
        ({"a.parquet": parquet([{"item_id": "1"}])}, r"a\.parquet has no column title"),
        ({"a.ndjson": b'{"sku": "1"}\n'}, r"catalogue/ds=2026-01-31: 0 items in 1 rows .*no_item_id"),
        ({"a.csv": csv("item_id,title,title", "1,x,y")}, r"a\.csv has the column title twice"),
        ({"a.csv": csv("item_id,title", '2,"12in', "3,x", "4,y")}, r"a\.csv: line 2 \(data line 1\): a quoted field"),
        ({"a.csv": "item_id,title,größe\n1,x,2\n".encode("cp1252")}, r"a\.csv: its header is not UTF-8 .*Windows-1252"),
        ({"a.csv": csv("item_id,title", "1,x").decode().encode("utf-16")}, r"a\.csv: text in UTF-16: convert it"),
        ({"a.xlsx": b"x"}, r"found a\.xlsx, expected files ending in \.parquet, \.csv"),
    ],
)
def test_no_catalogue(deliver: Deliver, files: dict[str, bytes], expected: str) -> None:
    catalogue = deliver(f"catalogue/ds={DS}", files)
    with pytest.raises(ValueError, match=expected):
        main(Args(catalogue, ITEMS.at(ds=DS)))
    with pytest.raises(LookupError):
        pin(ITEMS.at(ds=DS))

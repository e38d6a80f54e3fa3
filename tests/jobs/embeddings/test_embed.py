"""Embedding a shard: exactly once, by content hash, and a delta that is the full rebuild item by item."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.embeddings import embed as embeddings
from jobs.embeddings import item_tower, worker
from jobs.lake import storage as store
from jobs.lake.partitions import ITEMS
from jobs.lake.read import pin
from models.towers.encode import encode_items
from models.towers.precision import PRECISIONS
from tests.jobs.shop import Shop, publish_towers
from tests.jobs.towers.catalogue import Catalogue, day, embed, ended, hashes_of, publish_items, shard, texts, vectors_of

COUNT = 300
FIRST: Catalogue = {f"i{(37 * row) % 1009:04d}": text for row, text in enumerate(texts(COUNT))}


@pytest.fixture
def shop(lake: Path) -> Shop:
    made = publish_towers()
    publish_items(day(1), FIRST)
    return made


def changed(items: Catalogue, number: int) -> Catalogue:
    """The next day: one in ten texts is new, one in ten items ends, ten come, two ended ones come back."""
    rng = np.random.default_rng(number)
    names = sorted(items)
    found = {name: items[name] for name in names if rng.random() > 0.1}
    for name in found:
        if rng.random() < 0.1:
            found[name] += f" nowy {number}"
    back = [name for name in sorted(FIRST) if name not in items][:2]
    found |= {name: FIRST[name] for name in back}
    return found | {f"n{number}-{row}": text for row, text in enumerate(texts(10, number))}


def towers_of(shop: Shop) -> Any:
    from jobs.bundle.tower_files import load_towers

    return load_towers(pin(shop.towers))


def test_ids_out_are_ids_in_and_vectors_those_of_their_texts(shop: Shop) -> None:
    found = [embed(shop, day(1), name) for name in ("0of2", "1of2")]
    parts = [vectors_of(shard(shop, day(1), name)) for name in ("0of2", "1of2")]
    assert not parts[0].keys() & parts[1].keys()
    both = parts[0] | parts[1]
    assert both.keys() == FIRST.keys()
    expected = encode_items(towers_of(shop), [FIRST[name] for name in both])
    np.testing.assert_allclose(np.stack(list(both.values())), expected, atol=1e-3)
    assert [one["items"] for one in found] == [len(part) for part in parts]
    assert min(map(len, parts)) > COUNT / 3, "a hash spreads items evenly"
    facts = pin(shard(shop, day(1))).facts
    assert (facts["encoded"], facts["taken_over"], facts["ended"]) == (len(parts[0]), 0, 0)
    assert facts["full_because"] == "no earlier day given"
    assert {"id_check", "read", "features", "encode", "write", "check", "wall"} <= facts["seconds"].keys()
    (account,) = pin(shard(shop, day(1))).manifest.accounting
    assert (account.rows_in, account.rows_out) == (COUNT, len(parts[0]))


def test_the_digest_of_ids_does_not_follow_from_their_order(shop: Shop) -> None:
    embed(shop, day(1))
    publish_items(day(2), dict(reversed(FIRST.items())), files=3)
    embed(shop, day(2))
    publish_items(day(3), {name: text for name, text in FIRST.items() if name != next(iter(FIRST))})
    embed(shop, day(3), "0of1")
    embed(shop, day(1), "0of1")
    of = lambda ds, name: pin(shard(shop, ds, name)).facts["ids_sha256"]
    assert of(day(1), "0of2") == of(day(2), "0of2")
    assert of(day(1), "0of1") != of(day(3), "0of1")


@pytest.mark.parametrize("storage", ["fp16", "fp32"])
def test_a_delta_is_the_full_rebuild_item_by_item_over_days(shop: Shop, storage: str) -> None:
    settings = {"storage": storage, "precision": "fp32"}
    items, old = FIRST, {}
    gone: set[str] = set()
    for number in range(1, 6):
        at = shard(shop, day(number))
        publish_items(day(number), items)
        told = embed(shop, day(number), before=day(number - 1) if old else "", **settings)
        embed(shop, day(number), "0of1", **settings)  # everything anew
        found, hashes = vectors_of(at), hashes_of(at)
        full, all_hashes = (of(shard(shop, day(number), "0of1")) for of in (vectors_of, hashes_of))
        assert full.keys() == items.keys()
        for name, vector in found.items():
            np.testing.assert_allclose(vector, full[name], atol=1e-3 if storage == "fp16" else 1e-5)
            assert hashes[name] == all_hashes[name]
        if old:
            same = [name for name in hashes if old.get(name) == hashes[name]]
            assert told["taken_over"] == len(same) > 0
            assert told["encoded"] == len(hashes) - len(same) > 0
            assert ended(at) == sorted(old.keys() - hashes.keys()) != []
            gone |= old.keys() - hashes.keys()
        items, old = changed(items, number), hashes
    assert gone & old.keys(), "some came back"


def test_a_delta_says_what_it_saved(shop: Shop) -> None:
    embed(shop, day(1))
    publish_items(day(2), FIRST | {"new": "buty"})
    told = embed(shop, day(2), before=day(1))
    assert told["encoded"] <= 1, "the new one may be of the other shard"
    assert told["encoded_frac"] == pytest.approx(told["encoded"] / told["items"], abs=1e-6)
    facts = pin(shard(shop, day(2))).facts
    rate = pin(shard(shop, day(1))).facts["items_s"]  # it encoded more: one item shows no rate
    saved = facts["taken_over"] / rate - facts["seconds"]["take_over"]
    assert facts["saved_s"] == pytest.approx(saved, abs=0.2)
    sources = [source.partition for source in pin(shard(shop, day(2))).manifest.inputs]
    assert str(shard(shop, day(1))) in sources
    assert facts["taken_over"] == facts["items"] - facts["encoded"]


@pytest.mark.parametrize("now", [{"storage": "fp32"}, {"precision": "bf16"}], ids=["storage", "precision"])
def test_an_earlier_day_of_other_settings_is_not_taken_over(
    shop: Shop, now: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    embed(shop, day(1), precision="fp32") if "storage" in now else embed(shop, day(1))
    publish_items(day(2), FIRST)
    told = embed(shop, day(2), before=day(1), **({"precision": "fp32"} | now))
    assert told["taken_over"] == 0
    assert told["encoded"] == told["items"]
    assert "everything is encoded" in caplog.text
    assert str(shard(shop, day(1))) in pin(shard(shop, day(2))).facts["full_because"]
    assert not pin(shard(shop, day(2))).entries("tombstones"), "nothing was compared"


def test_an_earlier_day_of_another_space_shard_or_time_is_refused(shop: Shop) -> None:
    at = shard(shop, day(2))
    for wrong in (
        at.having(ds=day(1), space="0" * 16),
        at.having(ds=day(1), shard="1of2"),
        at.having(ds=day(1), shard="0of3"),
        at,
        at.having(ds=day(3)),
    ):
        with pytest.raises(ValueError, match="only within one space and one shard"):
            embeddings.Args(ITEMS.at(ds=day(2)), shop.towers, at, previous=wrong)
    with pytest.raises(LookupError, match="not published"):
        embed(shop, day(1), before="2026-01-31")


def test_a_damaged_earlier_day_stops_the_night(shop: Shop) -> None:
    embed(shop, day(1))
    publish_items(day(2), FIRST)
    (entry, *_) = pin(shard(shop, day(1))).entries()
    path = store.local_path(pin(shard(shop, day(1))).uri) / entry.name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match="the file is damaged"):
        embed(shop, day(2), before=day(1))


def test_an_id_that_stands_twice_is_named(shop: Shop) -> None:
    twice = next(iter(FIRST))
    publish_items(day(2), FIRST, again=twice)
    with pytest.raises(ValueError, match=rf"items/ds={day(2)}: 1 rows repeat .*{twice}"):
        for name in ("0of2", "1of2"):
            embed(shop, day(2), name)
    with pytest.raises(LookupError):
        pin(shard(shop, day(2), "0of1"))


def test_a_catalogue_smaller_than_its_shards_leaves_whole_empty_ones(shop: Shop) -> None:
    publish_items(day(2), {"a": "buty"})
    told = [embed(shop, day(2), f"{number}of3") for number in range(3)]
    assert sorted(one["items"] for one in told) == [0, 0, 1]
    for number in range(3):
        at = shard(shop, day(2), f"{number}of3")
        assert len(vectors_of(at)) == told[number]["items"]
        assert len(pin(at).entries()) == 1


Spoil = Callable[[np.ndarray], None]


def _nan(vectors: np.ndarray) -> None:
    vectors[0, 0] = np.nan


def _long(vectors: np.ndarray) -> None:
    vectors[-1] *= 1.01


@pytest.mark.parametrize(("spoil", "said"), [(_nan, "norm nan"), (_long, r"norm 1\.01")])
def test_a_vector_that_is_not_finite_or_not_of_unit_norm_is_never_written(
    shop: Shop, spoil: Spoil, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = item_tower.encode_store

    def spoiled(*given: Any) -> np.ndarray:
        vectors = encode(*given)
        spoil(vectors)
        return vectors

    monkeypatch.setattr(item_tower, "encode_store", spoiled)
    with pytest.raises(ValueError, match=rf"item 'i\d+': its vector has {said}"):
        embed(shop, day(1))
    with pytest.raises(LookupError):
        pin(shard(shop, day(1)))


def test_a_lost_or_doubled_row_is_found_in_the_files(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = worker.chunks_to_encode

    def lossy(*given: Any) -> Any:
        first, *rest = whole(*given)
        return iter([first.slice(1), first.slice(3, 1), *rest])

    monkeypatch.setattr(worker, "chunks_to_encode", lossy)
    with pytest.raises(RuntimeError, match="1 lost, 0 not of the catalogue, 1 repeated"):
        embed(shop, day(1))


def test_settings_out_of_range_are_refused(shop: Shop) -> None:
    good = embeddings.Args(ITEMS.at(ds=day(1)), shop.towers, shard(shop, day(1)))
    for wrong in (
        {"precision": "fp8"},
        {"storage": "int8"},
        {"engine": "ray"},
        {"tasks": 0},
        {"chunk_items": 0},
        {"token_budget": -1},
    ):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))}=.*: expected"):
            replace(good, **wrong)
    assert good.precision in PRECISIONS


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_and_files_change_nothing(shop: Shop, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.embeddings.writer.FILE_ROWS", 40)
    embed(shop, day(1), chunk_items=chunk, storage="fp32", token_budget=64)
    at = shard(shop, day(1))
    found = vectors_of(at)
    expected = encode_items(towers_of(shop), [FIRST[name] for name in found])
    np.testing.assert_allclose(np.stack(list(found.values())), expected, atol=1e-5)
    files = pin(at).entries()
    assert all(re.fullmatch(r"encoded-00000-\d{5}\.parquet", entry.name) for entry in files)
    assert sum(entry.rows or 0 for entry in files) == len(found)
    assert len(files) == {1: 4, 7: 4, 1000: 1}[chunk]
    kind = pq.read_schema(pin(at).files()[0]).field("embedding").type
    assert kind == pa.list_(pa.field("element", pa.float32()), 64)


def test_texts_of_another_template_than_the_towers_learnt_from_are_refused(shop: Shop) -> None:
    items, towers = pin(ITEMS.at(ds=day(1))), pin(shop.towers)
    embeddings.check_template(items, towers)
    facts = {**items.facts, "text_template": "2: title | fifths of price"}
    with pytest.raises(
        RuntimeError, match=r"'2: title \| fifths of price'.* learnt from 'title'.* the slots of before"
    ):
        embeddings.check_template(replace(items, manifest=replace(items.manifest, facts=facts)), towers)

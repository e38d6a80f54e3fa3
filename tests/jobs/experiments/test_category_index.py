"""Indexes per category as a published partition: whole, searchable, refused when spoilt, honestly compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest

from jobs.bundle.tower_files import load_towers
from jobs.embeddings import embed as embeddings
from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.experiments import category_index as categories
from jobs.experiments.category_index_files import ABOUT_FILE, CategoryIndex, load_categories
from jobs.experiments.category_index_trial import IndexTrial, verdict
from jobs.lake.arrow import strings
from jobs.lake.partitions import CATEGORIES, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from models.ann.by_category import search, with_lists
from models.towers.encode import encode_queries
from tests.jobs.shop import DS, NOUNS, Args, Shop, opened

HOSTILE_NAME = "../../etc/<b>tools</b>"


def with_categories(shop: Shop) -> None:
    """The shop's items again, each under its noun; lamps have no category, tents are few."""
    old = read_table(pin(shop.items))

    def path(title: str) -> str:
        noun = next((noun for noun in NOUNS if noun in title), "")
        if noun == "tent":
            return f"tents of {title.split()[0]} > {title.split()[1]}"
        return {"": "", "lamp": "", "drill": f"{HOSTILE_NAME} > drills"}.get(noun, f"{noun} > all")

    paths = pa.array([path(title) for title in strings(old, "title")])
    place = old.column_names.index("category")
    with publish(shop.items, Args(shop.items)) as out:
        out.write_table(old.set_column(place, "category", paths))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("categories")) as made:
        with_categories(made)
        for shard in ("0of2", "1of2"):
            embeddings.main(embeddings.Args(made.items, made.towers, made.embeddings(shard)))
        categories.main(args(made))
        yield made


def at(shop: Shop) -> Partition:
    return CATEGORIES.at(ds=DS, space=shop.space)


def args(shop: Shop, **settings: object) -> categories.Args:
    given = (shop.embeddings(), shop.towers, shop.items, shop.queries, at(shop))
    wanted = {
        "factory": "IVF16,Flat",
        "recall_depth": 20,
        "min_items": 20,
        "centroids": 4,
        "flat_below": 30,
        "recall_target": 0.9,
    } | settings
    return categories.Args(*given, **wanted)  # type: ignore[arg-type]


def asked(shop: Shop) -> np.ndarray:
    texts = strings(read_table(pin(shop.queries)), "query")
    return encode_queries(load_towers(pin(shop.towers)), texts)


def test_every_item_is_in_one_part_and_small_or_unknown_categories_are_the_rest(shop: Shop) -> None:
    found = load_categories(pin(at(shop)))
    assert found.parts[-1].name == "rest"
    assert HOSTILE_NAME in [part.name for part in found.parts]
    rows = np.concatenate([part.rows for part in found.parts])
    assert sorted(rows.tolist()) == list(range(len(found.item_ids)))
    titles = {row["item_id"]: row["title"] for row in read_table(pin(shop.items)).to_pylist()}
    rest = [titles[found.item_ids[int(row)].as_py()] for row in found.parts[-1].rows]
    # each brand's tents are a category of eight
    assert all("tent" in title or "Lamp" in title or "lamp" in title for title in rest)
    assert len(rest) == 81


def every_list(found: CategoryIndex) -> CategoryIndex:
    return replace(found, parts=with_lists(found.parts, 1.0))


def test_all_categories_searched_are_the_flat_index_over_the_catalogue(shop: Shop) -> None:
    found = every_list(load_categories(pin(at(shop))))
    assert {part.factory.partition(",")[0] for part in found.parts} > {"IVF25"}
    ids, vectors = read_vectors(pin_shards(shop.embeddings()))
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    wanted = asked(shop)
    scores, rows = flat.search(wanted, 30)
    everywhere = search(found.parts, wanted, np.ones((len(wanted), len(found.parts)), np.bool_), 30)
    np.testing.assert_allclose(everywhere.scores, scores, rtol=1e-5)
    apart = np.abs(np.diff(scores, axis=1)).min(axis=1) > 1e-6  # of equal scores any may be cut
    assert apart.sum() > 20
    np.testing.assert_array_equal(everywhere.items[apart], rows[apart])
    assert found.item_ids.to_pylist() == ids


def test_the_target_holds_on_other_queries_and_facts_tell_both(shop: Shop) -> None:
    facts = pin(at(shop)).facts
    for name in ("single", "by_category"):
        assert facts[name]["recall"] >= 0.85  # fitted for 0.9 on 20 queries, judged on 20 others
        assert facts[name]["p99_ms"] >= facts[name]["p50_ms"] > 0
        assert facts[name]["bytes"] > 401 * 64 * 4
    assert facts["single"]["searched_frac"] == 1.0
    assert 0 < facts["by_category"]["compared_frac"] <= facts["by_category"]["searched_frac"] <= 1
    assert facts["verdict"].startswith(("Categories", "The single", "Neither"))
    assert sum(one["items"] for one in facts["categories"].values()) == facts["items"] == 401


def test_an_item_as_query_finds_itself_in_its_own_category(shop: Shop) -> None:
    found = load_categories(pin(at(shop)))
    _, vectors = read_vectors(pin_shards(shop.embeddings()))
    rows = np.arange(0, 401, 13)
    alike = found.alike(rows, vectors[rows], 5)
    assert (found.category[alike.items] == found.category[rows][:, None]).all()
    nearest = every_list(found).alike(rows, vectors[rows], 1)
    assert nearest.items[:, 0].tolist() == rows.tolist()


def spoil(shop: Shop, name: str, change: object) -> Pinned:
    """The partition as another day's, with one file changed and every checksum right."""
    old, target = pin(at(shop)), at(shop).having(ds="2026-02-01")
    with publish(target, Args(target)) as out:
        for entry in old.manifest.files:
            shutil.copy(old.path(entry.name), out.folder / entry.name)
        change(out.folder / name)  # type: ignore[operator]
        out.facts.update(old.facts)
    return pin(target)


def other_format(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))


def other_space(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"space_id": "0" * 16}))


@pytest.mark.parametrize(
    ("name", "change", "blamed"),
    [
        (ABOUT_FILE, other_format, "format 0"),
        (ABOUT_FILE, other_space, "made in space"),
        # the last part, the rest, holds more items than the first
        ("part-00000.faiss", lambda path: shutil.copy(max(path.parent.glob("part-*")), path), "part 0 holds"),
    ],
)
def test_what_does_not_belong_together_is_refused(shop: Shop, name: str, change: object, blamed: str) -> None:
    spoilt = spoil(shop, name, change)
    with pytest.raises(RuntimeError, match=blamed):
        load_categories(spoilt)


def test_a_flipped_bit_is_refused(shop: Shop) -> None:
    pinned = pin(at(shop))
    path = Path(pinned.uri) / "part-00000.faiss"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match="part-00000.faiss has sha256"):
        load_categories(pinned)
    path.write_bytes(whole)


def test_another_space_and_settings_out_of_range_are_refused(shop: Shop) -> None:
    wrong = replace(args(shop), categories=at(shop).having(space="0" * 16))
    with pytest.raises(ValueError, match="must meet in one space"):
        categories.main(wrong)
    with pytest.raises(ValueError, match="recall_target"):
        args(shop, recall_target=1.5)


def test_the_verdict_by_hand() -> None:
    single = IndexTrial("single", 9, 0.95, 1.0, 2.0, 0.5, 1000, 1.0, 1.0, 0.1)
    slow = replace(single, name="by_category", p50_ms=2.0, bytes=900)
    assert verdict(single, slow).startswith(
        "The single index is better: categories take x2.00 of its median time and x0.90"
    )
    assert verdict(single, replace(slow, p50_ms=0.5, bytes=1100)).startswith("Categories are better")
    assert verdict(single, replace(slow, p50_ms=1.05)).startswith("Neither is clearly better")
    assert verdict(single, replace(slow, p50_ms=1.0, bytes=1100)).startswith("The single index")

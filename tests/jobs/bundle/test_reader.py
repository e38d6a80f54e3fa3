"""The reader: what an online service imports. Nothing heavy behind it, nothing trusted that was not checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from jobs.bundle.files import LISTS_FILE, QUERY_TOWER
from jobs.bundle.reader import Bundle, open_bundle
from jobs.bundle.torch_reader import load_bundle
from jobs.datasets.judgements import relevance_scale
from jobs.lake.arrow import strings, where
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, pin_copy, read_table
from models.fusion.ranked_lists import first
from tests.jobs.index.building import build, embed
from tests.jobs.shop import HOSTILE, Args, Shop, opened

ROOT = Path(__file__).resolve().parents[3]
ASKED = ["red shoes", "Acme blue lamp", "kubala saw 12", "", HOSTILE["query"]]
FORBIDDEN = (
    "torch",
    "transformers",
    "pyspark",
    "airflow",
    "mlflow",
    "pandas",
    "onnx",
    "matplotlib",
    "great_expectations",
    "scipy",
    "sklearn",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("reader")) as made:
        embed(made)
        build(made, qrels=made.qrels)
        yield made


@pytest.fixture
def copy(shop: Shop, tmp_path: Path) -> Path:
    """The bundle as an operator copies it: a plain folder, far from any lake."""
    shutil.copytree(pin(shop.index).uri, tmp_path / "bundle")
    return tmp_path / "bundle"


def answers(bundle: Bundle) -> list[list[tuple[str, float]]]:
    return [[(hit.item_id, round(hit.score, 5)) for hit in bundle.search(text)] for text in ASKED]


def test_it_loads_nothing_heavy(copy: Path) -> None:
    code = f"""
import sys
from jobs.lake.read import pin_copy
from jobs.bundle.reader import open_bundle
bundle = open_bundle(pin_copy({str(copy)!r}))
assert bundle.search("red shoes")[0].title
print(sorted({{name.partition(".")[0] for name in sys.modules}} & set({FORBIDDEN!r})))
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHELF")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == b"[]"


def test_it_answers_as_torch_does(shop: Shop) -> None:
    ours, torchs = open_bundle(pin(shop.index)), load_bundle(pin(shop.index))
    np.testing.assert_allclose(ours.encode(ASKED), torchs.encode(ASKED), atol=2e-2)  # bf16, maybe
    for text in ASKED[:3]:
        near = [hit.item_id for hit in ours.search(text, top=5)]
        assert len(near) == 5 and set(near) <= {hit.item_id for hit in torchs.search(text)}
        assert torchs.as_served().search(text) == ours.search(text)
    for arm, found in ours.rank(ASKED[:1], 20).items():
        expected = torchs.rank(ASKED[:1], 20)[arm]
        assert len(set(found.items[0]) & set(expected.items[0])) >= 19, arm


def test_lists_end_where_the_cutoff_says(shop: Shop) -> None:
    bundle = open_bundle(pin(shop.index))
    rows = {row["kind"]: row for row in bundle.facts["cutoffs"]}
    assert set(rows) == {"none", "knee", "threshold", "fixed"}
    (chosen,) = [row for row in rows.values() if row["chosen"]]
    assert (bundle.cutoff.kind, bundle.cutoff.value, bundle.cutoff.reads) == (chosen["kind"], chosen["value"], "served")
    assert chosen["kept_frac"] >= 0.95 and chosen["mean_items"] < rows["none"]["mean_items"]
    assert bundle.pool == bundle.cutoff.depth == 200  # on which it was fitted
    hybrid = bundle.rank(["red shoes"], 200)["hybrid"]
    length = int(bundle.cutoff.lengths(hybrid.scores)[0])
    assert 10 <= length < 200
    hits = bundle.search("red shoes")
    assert hits == bundle.hits(first(hybrid, length)) and len(hits) == length
    assert bundle.search("red shoes", top=3) == hits[:3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_what_was_fitted_is_what_is_served(shop: Shop) -> None:
    """Mean length and share kept of the dev queries, counted again from what a service returns."""
    bundle = open_bundle(pin(shop.index))
    asked = where(read_table(pin(shop.queries)), "split", "dev")
    relevant: dict[str, set[str]] = {}
    least = relevance_scale(pin(shop.qrels), 0.0)[0]
    for row in where(read_table(pin(shop.qrels)), "split", "dev").to_pylist():
        if row["relevance"] >= least:
            relevant.setdefault(row["query_id"], set()).add(row["item_id"])
    lengths, kept = [], []
    for name, text in zip(strings(asked, "query_id"), strings(asked, "query"), strict=True):
        shown = {hit.item_id for hit in bundle.search(text)}
        whole = {hit.item_id for hit in bundle.hits(bundle.rank([text], 200)["hybrid"])} & relevant[name]
        lengths.append(len(shown))
        kept += [len(whole & shown) / len(whole)] if whole else []
    (chosen,) = [row for row in bundle.facts["cutoffs"] if row["chosen"]]
    # torch's vectors were fitted on, and may be of bf16
    assert np.mean(lengths) == pytest.approx(chosen["mean_items"], rel=0.02)
    assert np.mean(kept) == pytest.approx(chosen["kept_frac"], abs=0.01)


def age(lake_facts: dict[str, Any], cutoff: dict[str, Any]) -> Any:
    """Make a bundle of older code: its rule was fitted on dense lists, and says nothing of what it reads."""

    def change(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        (folder / "facts.json").write_text(json.dumps({**facts, **lake_facts, "cutoff": cutoff}))

    return change


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "threshold", "value": 0.2, "min_items": 10, "depth": 200},  # a cosine
        {"kind": "knee", "value": 0.0, "min_items": 10, "depth": 200},
        {"kind": "fixed", "value": 17.0, "min_items": 10, "depth": 200},
    ],
    ids=lambda rule: rule["kind"],
)
def test_a_bundle_whose_cutoff_reads_cosines_is_served_as_long_as_its_dense_list(
    shop: Shop, tmp_path: Path, rule: dict[str, Any]
) -> None:
    bundle = open_bundle(spoil(shop, tmp_path / "lake", age({}, rule)))
    assert bundle.cutoff.reads == "dense"
    for text in ASKED:
        dense = bundle.dense(bundle.encode([text]), 200)
        length = int(bundle.cutoff.lengths(dense.scores)[0])
        expected = bundle.hits(bundle.rank([text], 200)["hybrid"])[:length]
        assert bundle.search(text) == expected and expected


def test_a_class_that_gains_nothing_is_searched_without_the_dense_arm(shop: Shop, tmp_path: Path) -> None:
    """Its queries are not even encoded; those of other classes are served as before."""

    def skip(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        assert facts["dense_triggers"]["sparse_only"] == []  # too few judged queries of any class
        facts["dense_triggers"]["sparse_only"] = ["2 words"]
        (folder / "facts.json").write_text(json.dumps(facts))

    def encode(queries: object) -> Any:
        encoded.append(queries)
        return whole.encode(queries)  # type: ignore[arg-type]

    whole = open_bundle(pin(shop.index))
    encoded: list[object] = []
    bundle = replace(open_bundle(spoil(shop, tmp_path / "lake", skip)), encoder=encode)
    for text in ASKED[1:3]:
        assert bundle.search(text) == whole.search(text)
    assert encoded == [[text] for text in ASKED[1:3]]
    alone = bundle.search(ASKED[0])
    assert len(encoded) == 2
    lexical = whole.hits(whole.lexical([ASKED[0]], 200))
    assert [hit.item_id for hit in alone] == [hit.item_id for hit in lexical][: len(alone)] and alone
    assert alone != whole.search(ASKED[0])


def test_lists_are_spread_over_the_clusters_of_the_bundle(shop: Shop, tmp_path: Path) -> None:
    """One cluster in ten items of the list: as many clusters as places leave one item of each."""
    whole = open_bundle(pin(shop.index))
    labels = np.arange(len(whole.item_ids), dtype=np.int32) // 10

    def cluster(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        facts["clusters"] = {"nearest": 200}
        (folder / "facts.json").write_text(json.dumps(facts))
        np.save(folder / "clusters.npy", labels)

    bundle = open_bundle(spoil(shop, tmp_path / "lake", cluster))
    served = bundle.served(["red shoes"]).items[0]
    of_item = labels[served[served >= 0]].tolist()
    assert len(of_item) == len(set(of_item)) > 5
    before = whole.served(["red shoes"]).items[0]
    first_of: dict[int, int] = {}
    for item in before[before >= 0].tolist():
        first_of.setdefault(int(labels[item]), item)
    assert served.tolist()[:5] == list(first_of.values())[:5]


def test_a_copy_answers_as_the_lake_does_wherever_it_goes(shop: Shop, copy: Path) -> None:
    wanted = answers(open_bundle(pin(shop.index)))
    here = pin(shop.index).bundle_id
    assert answers(open_bundle(pin_copy(copy, here))) == wanted
    moved = copy.rename(copy.with_name("moved"))
    bundle = open_bundle(pin_copy(moved, here[:6]))
    assert answers(bundle) == wanted
    assert (bundle.id, bundle.name) == (here, str(shop.index))
    with pytest.raises(RuntimeError, match=f"holds version {here}, expected 000000"):
        pin_copy(moved, "000000")
    (moved / "_manifest.json").unlink()
    with pytest.raises(LookupError, match="copy all files of one version"):
        pin_copy(moved)


@pytest.mark.parametrize(
    "name",
    [
        "index.faiss",
        "item_ids.parquet",
        "weights.safetensors",
        QUERY_TOWER,
        "facts.json",
        "tokenizer.json",
        "golden.json",
        "config.json",
    ],
)
def test_one_flipped_bit_in_a_copy_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(RuntimeError, match=name):
        open_bundle(pin_copy(copy))


def test_a_damaged_sparse_arm_is_refused_when_it_is_asked(copy: Path) -> None:
    data = bytearray((copy / "sparse.data.npy").read_bytes())
    data[-1] ^= 1
    (copy / "sparse.data.npy").write_bytes(data)
    bundle = open_bundle(pin_copy(copy))
    assert bundle.hits(bundle.dense(bundle.encode(["red shoes"]), 10))
    for search in (bundle.search, lambda query: bundle.rank([query], 10)):
        with pytest.raises(RuntimeError, match="sparse.data.npy"):
            search("red shoes")


def spoil(shop: Shop, lake: Path, change: Any) -> Pinned:
    """Publish the bundle in another lake, changed, with every checksum right."""
    old = pin(shop.index)
    paths = [old.path(entry.name) for entry in old.manifest.files]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(lake))
        with publish(shop.index, Args(shop.index)) as out:
            for path in paths:
                shutil.copy(path, out.folder)
            change(out.folder)
            out.facts.update(old.facts)
        folder = shutil.copytree(pin(shop.index).uri, lake / "copy")
    return pin_copy(folder)


def onto_disk(folder: Path) -> None:
    """The index with its lists in a file of their own, as a merge larger than memory writes it."""
    held = faiss.read_index(str(folder / "index.faiss"))
    lists = faiss.extract_index_ivf(held)
    disk = faiss.OnDiskInvertedLists(lists.nlist, lists.code_size, str(folder / LISTS_FILE))
    disk.merge_from_1(lists.invlists)
    lists.replace_invlists(disk, False)
    faiss.write_index(held, str(folder / "index.faiss"))
    del held, disk


@pytest.mark.parametrize("lists", ["memory", "disk"])
def test_lists_in_a_file_of_their_own_go_where_the_folder_goes(shop: Shop, tmp_path: Path, lists: str) -> None:
    copied = spoil(shop, tmp_path / "lake", onto_disk)
    assert copied.has(LISTS_FILE)
    shutil.rmtree(tmp_path / "lake" / "index_v1")  # what the stored path names is gone
    for path in Path(copied.uri).iterdir():
        path.chmod(0o444)
    bundle = open_bundle(copied, lists)
    assert answers(bundle) == answers(open_bundle(pin(shop.index)))
    kind = type(faiss.downcast_InvertedLists(faiss.extract_index_ivf(bundle.index).invlists))
    assert kind is {"memory": faiss.ArrayInvertedLists, "disk": faiss.OnDiskInvertedLists}[lists]
    # and they are checked before they are opened
    path = Path(copied.uri) / LISTS_FILE
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(RuntimeError, match=LISTS_FILE):
        open_bundle(copied, lists)


def test_lists_of_one_file_may_stay_on_disk_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = answers(open_bundle(pin(shop.index)))
    monkeypatch.setenv("NIGHTSHELF_LISTS", "disk")
    bundle = open_bundle(pin(shop.index))
    found = faiss.downcast_InvertedLists(faiss.extract_index_ivf(bundle.index).invlists)
    assert isinstance(found, faiss.OnDiskInvertedLists)
    assert answers(bundle) == wanted
    with pytest.raises(ValueError, match="lists=tape"):
        open_bundle(pin(shop.index), lists="tape")


def test_threads_share_a_bundle(shop: Shop) -> None:
    bundle = open_bundle(pin(shop.index))
    vectors = bundle.encode(ASKED)
    alone = [bundle.dense(vectors, 20, nprobe=1 + number) for number in range(8)]
    lists = [bundle.search(text) for text in ASKED]

    def again(number: int) -> bool:
        found = bundle.dense(vectors, 20, nprobe=1 + number % 8)
        same = np.array_equal(found.items, alone[number % 8].items)
        return same and bundle.search(ASKED[number % len(ASKED)]) == lists[number % len(ASKED)]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(again, range(200)))


def test_threads_that_start_together_see_no_near_duplicates(shop: Shop, tmp_path: Path) -> None:
    """Dropping them needs a map of rows, which FAISS makes in steps that a second thread must not meet."""

    def drop(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        facts["lookalikes"] = {"threshold": 0.6}
        (folder / "facts.json").write_text(json.dumps(facts))

    copied = spoil(shop, tmp_path / "lake", drop)
    wanted = answers(open_bundle(copied))
    assert wanted != answers(open_bundle(pin(shop.index)))
    for _ in range(5):
        bundle = open_bundle(copied)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _, one=bundle: answers(one), range(8))) == [wanted] * 8


def test_what_the_tuner_found_goes_with_every_search(shop: Shop, tmp_path: Path) -> None:
    def tune(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        facts["search"] = {"nprobe": 2, "k_factor": 4, "efSearch": 0}
        (folder / "facts.json").write_text(json.dumps(facts))

    bundle = open_bundle(spoil(shop, tmp_path / "lake", tune))
    vectors = bundle.encode(ASKED)
    assert bundle.settings == {"nprobe": 2, "k_factor": 4}
    assert np.array_equal(bundle.dense(vectors, 50).items, bundle.dense(vectors, 50, nprobe=2).items)
    assert not np.array_equal(bundle.dense(vectors, 50).items, bundle.dense(vectors, 50, nprobe=16).items)


def test_a_bundle_from_before_the_query_tower_is_torchs_alone(shop: Shop, tmp_path: Path) -> None:
    def age(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        (folder / "facts.json").write_text(json.dumps({**facts, "format": 1}))
        (folder / QUERY_TOWER).unlink()

    old = spoil(shop, tmp_path / "lake", age)
    with pytest.raises(LookupError, match=r"no query_tower.onnx.*build the index again"):
        open_bundle(old)
    assert load_bundle(old).search("red shoes")


def test_parts_of_other_catalogues_and_spaces_are_refused(shop: Shop, tmp_path: Path) -> None:
    def fewer(folder: Path) -> None:
        held = faiss.read_index(str(folder / "index.faiss"))
        held.remove_ids(np.arange(3))
        faiss.write_index(held, str(folder / "index.faiss"))

    def foreign(folder: Path) -> None:
        golden = json.loads((folder / "golden.json").read_text())
        (folder / "golden.json").write_text(json.dumps({**golden, "space_id": "0" * 16}))

    with pytest.raises(RuntimeError, match="'vectors': 398, 'ids': 401"):
        open_bundle(spoil(shop, tmp_path / "fewer", fewer))
    with pytest.raises(RuntimeError, match="space ids"):
        open_bundle(spoil(shop, tmp_path / "foreign", foreign))

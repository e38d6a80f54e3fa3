"""From embeddings to a promoted index: what must come out, and what must be stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytrec_eval
import torch

from jobs.bundle.files import TOWERS_FILES
from jobs.bundle.reader import open_bundle
from jobs.bundle.torch_reader import load_bundle
from jobs.embeddings import embed as embeddings
from jobs.embeddings.read_shards import pin_shards, read_vectors
from jobs.evaluation import rankings, report
from jobs.index import build as index
from jobs.ingest.hashing_secret import hashing_secret
from jobs.lake.alias import CHAMPION, has_alias, pin_alias, read_history
from jobs.lake.arrow import numbers, strings, where
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin, read_table
from jobs.platform import lineage, tracking
from jobs.serving import promote, search, verify
from models.towers.encode import encode_items
from models.towers.two_tower import TwoTower
from tests.jobs.index.building import build, embed
from tests.jobs.shop import HOSTILE, Args, Shop, copied, opened, publish_tables, publish_towers, publish_trained, titles

ROOT = Path(__file__).resolve().parents[3]


def judge(shop: Shop, **settings: object) -> dict[str, object]:
    """Rank, report, and give the verdict; a champion in service is ranked too."""
    champion = pin_alias(CHAMPION).partition if has_alias(CHAMPION) else Partition()
    given = (shop.index, shop.queries, shop.qrels, shop.items, shop.rankings)
    wanted = {"embeddings": shop.embeddings(), "champion": champion} | settings
    rankings.main(rankings.Args(*given, **wanted))  # type: ignore[arg-type]
    given = (shop.rankings, shop.index, shop.queries, shop.qrels, shop.items, shop.report)
    return report.main(report.Args(*given, min_relevance=2.0, max_loss=0.05, min_index_recall=0.9, max_cost_ratio=100))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One lake with a champion in service; tests that change it work on a copy."""
    with opened(tmp_path_factory.mktemp("serving")) as made:
        embed(made)
        build(made)
        assert judge(made)["verdict"] == "pass"
        promote.main(promote.Args(report=made.report))
        yield made


@pytest.fixture
def changed(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return copied(shop, tmp_path, monkeypatch)


def test_every_item_is_embedded_once_in_the_shard_of_its_id(shop: Shop) -> None:
    shards = pin_shards(shop.embeddings())
    parts = [strings(read_table(one), "item_id") for one in shards]
    assert all(parts) and not set(parts[0]) & set(parts[1])
    ids, vectors = read_vectors(shards)
    assert ids == sorted(strings(read_table(pin(shop.items)), "item_id"))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)  # stored as fp16
    column = read_table(shards[0]).schema.field("embedding")
    assert pa.types.is_fixed_size_list(column.type)


def test_vectors_are_those_of_the_items_own_texts(shop: Shop) -> None:
    items = {row["item_id"]: row["text"] for row in read_table(pin(shop.items)).to_pylist()}
    ids, vectors = read_vectors(pin_shards(shop.embeddings()))
    bundle = load_bundle(pin(shop.index))
    expected = encode_items(bundle.towers, [items[name] for name in ids])
    np.testing.assert_allclose(vectors, expected, atol=2e-2)


def test_a_shard_that_is_missing_or_foreign_is_refused(changed: Shop) -> None:
    with pytest.raises(LookupError, match="2of3"):
        target = [changed.embeddings(f"{number}of3") for number in range(2)]
        for one in target:
            embeddings.main(embeddings.Args(changed.items, changed.towers, one))
        pin_shards(target[0])
    with pytest.raises(ValueError, match="give the first shard"):
        pin_shards(changed.embeddings("1of2"))
    publish_tables(keep=50)  # another catalogue, of which one shard is embedded again
    embeddings.main(embeddings.Args(changed.items, changed.towers, changed.embeddings("1of2")))
    with pytest.raises(RuntimeError, match="embed this shard again"):
        pin_shards(changed.embeddings())


def test_embeddings_under_another_towers_name_are_refused(changed: Shop) -> None:
    wrong = changed.embeddings().having(space="0" * 16)
    with pytest.raises(ValueError, match=f"write to space={changed.space}"):
        embeddings.main(embeddings.Args(changed.items, changed.towers, wrong))


def test_an_index_over_another_catalogue_is_refused(changed: Shop) -> None:
    publish_tables(keep=300)
    with pytest.raises(RuntimeError, match="of another catalogue"):
        build(changed)


def test_the_bundle_answers_as_flat_faiss_does(shop: Shop) -> None:
    bundle = load_bundle(pin(shop.index))
    ids, vectors = read_vectors(pin_shards(shop.embeddings()))
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    wanted = bundle.encode(["red shoes", "blue lamp"])
    exact = flat.search(wanted, 20)[1]
    found = bundle.dense(wanted, 20, nprobe=16)
    assert np.mean([len(set(a) & set(b)) / 20 for a, b in zip(found.items, exact, strict=True)]) > 0.9
    assert [hit.item_id for hit in bundle.hits(found)] == [ids[row] for row in found.items[0]]


def follow(page: str, block: str) -> None:
    """Run a block of a page in docs/ as it stands."""
    found = re.search(
        rf"^```sh {block}\n(.*?)^```", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-c", found[1]], env=os.environ | {"PATH": path}, check=True)


def test_all_comes_back_from_the_backup_that_the_page_makes(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, backup = tmp_path / "var", tmp_path / "backup"
    backup.mkdir()
    shutil.copytree(tracking.home(), home)
    changed = copied(shop, tmp_path, monkeypatch)
    monkeypatch.setenv("NIGHTSHELF_HOME", str(home))
    monkeypatch.setenv("BACKUP", str(backup))
    monkeypatch.delenv("NIGHTSHELF_SALT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    secret, history = hashing_secret(), read_history(CHAMPION)
    hits = open_bundle(pin_alias(CHAMPION)).search("red shoes")
    with sqlite3.connect(home / "mlflow.db") as database:
        (runs,) = database.execute("SELECT count(*) FROM runs").fetchone()
    made = (changed.embeddings(), changed.codes(), changed.index)
    before = [pin(each).manifest for each in made]

    follow("backup.md", "backup")
    shutil.rmtree(tmp_path / "lake")
    shutil.rmtree(home)
    assert not has_alias(CHAMPION)
    follow("backup.md", "restore")

    assert hits and open_bundle(pin_alias(CHAMPION)).search("red shoes") == hits
    assert read_history(CHAMPION) == history
    assert (home / "salt").read_text() == secret and (home / "salt").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(home / "mlflow.db") as database:
        assert runs and database.execute("SELECT count(*) FROM runs").fetchone() == (runs,)
    embed(changed)
    build(changed)
    after = [pin(each).manifest for each in made]
    assert not {each.attempt for each in before} & {each.attempt for each in after}, "made again"
    assert [each.content_sha256 for each in after] == [each.content_sha256 for each in before]


def test_a_second_run_makes_the_same_content(changed: Shop) -> None:
    made = (changed.embeddings(), changed.embeddings("1of2"), changed.index, changed.rankings)
    before = [pin(one).manifest.content_sha256 for one in made]
    embed(changed)
    build(changed)
    judge(changed, champion=Partition())
    assert [pin(one).manifest.content_sha256 for one in made] == before


@pytest.mark.parametrize(
    "name", ["index.faiss", "item_ids.parquet", "weights.safetensors", "sparse.data.npy", "facts.json"]
)
def test_one_flipped_bit_in_any_file_is_refused(changed: Shop, name: str) -> None:
    pinned = pin(changed.index)
    path = Path(pinned.uri) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=name):
        load_bundle(pinned)


def spoil(shop: Shop, name: str, change: object) -> None:
    """Publish the bundle again with one file changed and every checksum right: an inside job."""
    old = pin(shop.index)
    with publish(shop.index, Args(shop.index), list(map(as_input, old.manifest.inputs))) as out:
        for entry in old.manifest.files:
            shutil.copy(old.path(entry.name), out.folder / entry.name)
        change(out.folder / name)  # type: ignore[operator]
        out.facts.update(old.facts)


def as_input(source: object) -> Pinned:
    return pin(Partition.parse(source.partition), attempt=source.attempt)  # type: ignore[attr-defined]


def shuffle_ids(path: Path) -> None:
    rows = pq.read_table(path)
    order = np.random.default_rng(0).permutation(len(rows))
    ids = rows.column("item_id").take(pa.array(order))
    pq.write_table(rows.set_column(1, "item_id", ids), path)


def one_list(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "search": {"nprobe": 1}}))


def forget_items(path: Path) -> None:
    rows = pq.read_table(path)
    ids = [f"gone-{row}" if row < 30 else name for row, name in enumerate(strings(rows, "item_id"))]
    pq.write_table(rows.set_column(1, "item_id", pa.array(ids)), path)


@pytest.mark.parametrize(
    ("name", "change", "blamed"),
    [
        ("item_ids.parquet", shuffle_ids, "own vector"),
        ("item_ids.parquet", forget_items, "30 lost"),
        ("facts.json", one_list, "index recall"),
    ],
)
def test_planted_damage_is_stopped_by_the_gate(changed: Shop, name: str, change: object, blamed: str) -> None:
    spoil(changed, name, change)
    verdict = judge(changed)
    assert verdict["verdict"] == "stop"
    assert any(blamed in reason for reason in verdict["reasons"])  # type: ignore[attr-defined]
    before = pin_alias(CHAMPION).manifest_sha256
    assert promote.main(promote.Args(report=changed.report))["promoted"] is False
    with pytest.raises(RuntimeError, match="stopped by the gate"):
        promote.main(promote.Args(report=changed.report, on_stop="fail"))
    assert pin_alias(CHAMPION).manifest_sha256 == before


def test_a_bundle_of_another_format_is_refused(changed: Shop) -> None:
    spoil(changed, "facts.json", lambda path: path.write_text('{"format": 0}'))
    with pytest.raises(RuntimeError, match="bundle format 0"):
        load_bundle(pin(changed.index))


def test_swapped_weights_are_refused(changed: Shop) -> None:
    other = pin(publish_towers(seed=1, step="in_batch").towers)
    spoil(changed, "weights.safetensors", lambda path: shutil.copy(other.path(path.name), path))
    with pytest.raises(RuntimeError, match="golden vector"):
        verify.main(verify.Args(changed.index))
    with pytest.raises(RuntimeError, match="not of one version"):
        load_bundle(pin(changed.index))


def test_wholly_swapped_towers_are_refused_by_their_space_id(changed: Shop) -> None:
    other = pin(publish_towers(seed=1, step="in_batch").towers)

    def swap(path: Path) -> None:
        for name in TOWERS_FILES:
            shutil.copy(other.path(name), path.with_name(name))

    spoil(changed, "config.json", swap)
    with pytest.raises(RuntimeError, match="space ids"):
        judge(changed)
    with pytest.raises(RuntimeError, match="space ids"):
        verify.main(verify.Args(changed.index))


def test_worse_towers_do_not_replace_the_champion_and_better_ones_do(changed: Shop) -> None:
    good = pin_alias(CHAMPION).partition
    blind = load_bundle(pin(good)).towers
    for weight in blind.item_tower.parameters():
        weight.data[torch.arange(len(weight)) % 32 > 0] = 0.01  # most trigrams mean the same
    worse = publish_trained(blind, step="in_batch")
    embed(worse)
    build(worse)
    stopped = judge(worse)
    assert stopped["verdict"] == "stop", stopped
    assert any("not worse than the champion" in one for one in stopped["reasons"])  # type: ignore[attr-defined]
    # now the blind one serves, and the good one is the challenger: a planted improvement
    promote.main(promote.Args(index=worse.index))
    assert pin_alias(CHAMPION).partition == worse.index
    passed = judge(changed)
    assert passed["verdict"] == "pass", passed
    assert promote.main(promote.Args(report=changed.report))["promoted"] is True
    assert pin_alias(CHAMPION).partition == good
    promote.main(promote.Args(to="previous", registry="wait"))
    assert pin_alias(CHAMPION).partition == worse.index


def test_a_refreshed_query_tower_keeps_the_embeddings(changed: Shop) -> None:
    """Its bundle has its own space id over the vectors of the towers it came from, and no others."""
    config, tokenizer_json, tensors = load_bundle(pin(changed.index)).towers.state()
    queries = {
        name.replace("item_tower.", "query_tower."): one * torch.linspace(0.9, 1.1, one.shape[1])
        for name, one in tensors.items()
    }
    settings = {**config, "shared": False, "items_of": changed.space}
    refreshed = TwoTower.from_state(settings, tokenizer_json, tensors | queries)
    made = publish_trained(refreshed, step="adore")
    made_of = (changed.codes(), changed.trained_index, changed.embeddings())
    given = (*made_of, made.towers, made.items, made.queries)
    index.main(index.Args(*given, made.index))
    bundle = load_bundle(pin(made.index))
    assert bundle.facts["space_id"] == made.space != changed.space
    assert verify.main(verify.Args(made.index))["sound"] is True
    with pytest.raises(RuntimeError, match="must meet in one space"):
        index.main(index.Args(*given, changed.index))
    stranger = publish_trained(
        TwoTower.from_state({**settings, "items_of": "0" * 16}, tokenizer_json, tensors | queries).eval(),
        step="in_batch",
    )
    with pytest.raises(RuntimeError, match="must meet in one space"):
        index.main(index.Args(*made_of, stranger.towers, *given[4:], stranger.index))
    # a new catalogue is embedded under their own name, as every night
    embed(made)
    old, new = (read_vectors(pin_shards(one.embeddings()))[1] for one in (changed, made))
    assert np.array_equal(old, new)
    assert pin(made.embeddings()).facts["padding_frac"] == 0.0


def test_a_report_that_compared_with_another_champion_is_refused(changed: Shop) -> None:
    judge(changed, champion=Partition())
    with pytest.raises(RuntimeError, match="rank and judge again"):
        promote.main(promote.Args(report=changed.report))


def test_a_report_of_other_rankings_or_judgements_is_refused(changed: Shop) -> None:
    publish_tables(keep=400)  # the same addresses, other content
    given = (changed.rankings, changed.index, changed.queries, changed.qrels, changed.items)
    with pytest.raises(RuntimeError, match="rank again"):
        report.main(report.Args(*given, changed.report))


def test_rolling_back_is_one_command(changed: Shop) -> None:
    first = pin_alias(CHAMPION)
    build(changed, seed=5)
    assert judge(changed)["verdict"] == "pass"
    promote.main(promote.Args(report=changed.report))
    assert pin_alias(CHAMPION).manifest_sha256 != first.manifest_sha256
    old = first.manifest.attempt
    done = promote.main(promote.Args(index=first.partition, attempt=old))
    assert done["promoted"] is True
    assert pin_alias(CHAMPION).manifest_sha256 == first.manifest_sha256
    assert promote.main(promote.Args(to="previous", registry="wait"))["registry"] == "no model"
    assert pin_alias(CHAMPION).manifest_sha256 != first.manifest_sha256
    promote.main(promote.Args(to=first.bundle_id[:10], registry="skip"))
    assert pin_alias(CHAMPION).manifest_sha256 == first.manifest_sha256


def test_run_files_measure_the_same_in_trec_eval(shop: Shop) -> None:
    told = json.loads(pin(shop.report).path("summary.json").read_text())
    wanted: dict[str, dict[str, int]] = {}
    for row in where(read_table(pin(shop.qrels)), "split", "test").to_pylist():
        wanted.setdefault(row["query_id"], {})[row["item_id"]] = int(row["relevance"])
    relevant = {name for name, items in wanted.items() if max(items.values()) >= 2}
    for arm in ("served", "dense", "sparse", "hybrid"):
        run: dict[str, dict[str, float]] = {name: {} for name in relevant}
        for line in pin(shop.rankings).path(f"{arm}.trec").read_text().splitlines():
            query, _, item, _, score, tag = line.split(" ")
            assert tag == arm
            if query in run:
                run[query][item] = float(score)
        judged = {name: wanted[name] for name in relevant}
        tool = pytrec_eval.RelevanceEvaluator(judged, {"recall.60", "ndcg_cut.10"}, relevance_level=2)
        found = tool.evaluate(run).values()
        for name, key in (("R@60", "recall_60"), ("nDCG@10", "ndcg_cut_10")):
            mean = sum(one[key] for one in found) / len(relevant)
            assert told["measures"][arm][name] == pytest.approx(mean, abs=1e-9)


def test_rankings_hold_every_judged_query_once_per_rank(shop: Shop) -> None:
    rows = read_table(pin(shop.rankings))
    asked = set(strings(where(read_table(pin(shop.qrels)), "split", "test"), "query_id"))
    for arm in ("served", "dense", "sparse", "hybrid"):
        mine = where(rows, "arm", arm)
        keys = list(zip(strings(mine, "query_id"), numbers(mine, "rank").tolist(), strict=True))
        assert len(keys) == len(set(keys))
        assert set(strings(mine, "query_id")) <= asked
    assert set(strings(where(rows, "arm", "dense"), "query_id")) == asked


def test_step_one_is_an_arm_of_its_own(changed: Shop) -> None:
    first = publish_towers(seed=3, step="in_batch")
    embed(first, shards=1)
    told = judge(changed, baseline=first.embeddings("0of1"))
    means = json.loads(pin(changed.report).path("summary.json").read_text())["measures"]
    assert told["verdict"] == "pass"
    assert 0 < means["dense_in_batch"]["R@60"] <= 1


def test_the_page_is_self_contained_and_nothing_typed_becomes_markup(shop: Shop) -> None:
    page = pin(shop.report).path("report.html").read_text()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "<script" not in page and "<img src=x" not in page and "onerror=&#34;" in page
    assert "\x1b" not in page and "\x07" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{{ 7*7 }}" in page  # a title is text, not a template
    assert 'src="http' not in page
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', page)), "to itself alone"
    assert "No index was in service" in page and "Fit to serve" in page
    assert f"bundle {pin(shop.index).bundle_id}" in page
    table = page[page.index("<h2>Cut-off</h2>") : page.index("Data of the day</h2>")]
    assert table.count("ships in the bundle") == 1 and "no judgements" in table


def test_a_simulated_log_is_announced_first(changed: Shop) -> None:
    publish_tables(simulated=True)
    embed(changed)
    build(changed)
    judge(changed)
    page = pin(changed.report).path("report.html").read_text()
    body = page[page.index("<main>") :]
    assert body.index("simulated") < body.index("<h2>")


def test_search_prints_every_arm_and_no_control_code(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    search.main(search.Args(HOSTILE["query"] + " [bold]lamp"))
    said = capsys.readouterr().out
    assert said.index("served") < said.index("dense") < said.index("sparse")
    assert "\x1b]0" not in said and "\x07" not in said
    assert "[bold]lamp" in said  # what was typed is not rich's markup
    monkeypatch.setenv("COLUMNS", "60")
    search.main(search.Args("red shoes", top=3))
    assert "red shoes" in capsys.readouterr().out


def test_lineage_leads_back_to_the_items(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lineage.main(lineage.Args(shop.index))
    said = capsys.readouterr().out
    for one in (shop.index, shop.embeddings(), shop.towers, shop.items):
        assert str(one) in said
        assert pin(one).manifest_sha256[:12] in said


@pytest.mark.parametrize("lists", ["memory", "disk"])
def test_a_sound_bundle_is_verified_and_timed(shop: Shop, lists: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify.main(verify.Args(shop.index, shop.queries, lists))
    assert found["items"] == len(titles())
    assert found["id"] == pin(shop.index).manifest_sha256[:12]
    assert found["bytes"] == sum(entry.bytes for entry in pin(shop.index).manifest.files)
    assert 0 <= found["onnx_apart"] <= 1e-4
    ms = found["latency_ms"]
    for stage in ("encode", "dense", "search"):
        assert 0 < ms[f"{stage}_p50_ms"] <= ms[f"{stage}_p99_ms"]
    assert ms["search_p50_ms"] >= max(ms["encode_p50_ms"], ms["dense_p50_ms"])
    assert 0 < ms["search_best_of_5_p99_ms"] <= ms["search_p99_ms"]
    assert found["resident_bytes"] > found["bytes"]
    assert "41 queries" in found["timed_on"]  # of split test alone
    said = capsys.readouterr().err
    assert found["id"] in said and "end to end" in said


def test_a_query_tower_that_left_its_weights_is_not_verified(changed: Shop) -> None:
    """The graph of other towers, whose tables stand elsewhere in the file."""

    def shift(path: Path) -> None:
        model = onnx.load(str(path), load_external_data=False)
        places = model.graph.initializer[0].external_data
        next(pair for pair in places if pair.key == "offset").value = "0"
        path.write_bytes(model.SerializeToString())

    spoil(changed, "query_tower.onnx", shift)
    with pytest.raises(RuntimeError, match="golden vector"):
        verify.main(verify.Args(changed.index))


def test_settings_out_of_range_are_refused(shop: Shop) -> None:
    nowhere = Partition()
    five = (nowhere,) * 5
    with pytest.raises(ValueError, match="cutoff"):
        index.Args(*five, nowhere, nowhere, cutoff="threshold")
    with pytest.raises(ValueError, match="depth=5: expected 100 or more"):
        rankings.Args(*five, depth=5)
    with pytest.raises(ValueError, match="depth=300, pool=200: expected depth <= pool"):
        rankings.Args(*five, depth=300)
    with pytest.raises(ValueError, match="must gain something"):
        report.Args(*five, nowhere, min_relevance=1.0, zero_gain=1.0)
    with pytest.raises(ValueError, match="give one of: report"):
        promote.Args()


def test_near_duplicates_leave_the_served_lists_where_the_index_says_so(changed: Shop) -> None:
    """At .999 nothing in this shop is alike; at .3 most is, and what stays is not."""
    whole = open_bundle(pin(changed.index)).search("red shoes")
    build(changed, lookalikes="0.3")
    bundle = open_bundle(pin(changed.index))
    assert bundle.facts["lookalikes"] == {"threshold": 0.3, "rule": "0.3"}
    few = bundle.search("red shoes")
    assert 0 < len(few) < len(whole)
    hybrid = {hit.item_id for hit in bundle.hits(bundle.rank(["red shoes"], 200)["hybrid"])}
    assert {hit.item_id for hit in few} <= hybrid
    vectors = encode_items(load_bundle(pin(changed.index)).towers, [hit.title for hit in few])
    cosines = vectors @ vectors.T - np.eye(len(few))
    assert cosines.max() < 0.3 + 0.01  # codes round
    build(changed, lookalikes="auto", qrels=changed.qrels, min_relevance=2.0)
    fitted = pin(changed.index).facts["lookalikes"]
    assert {"threshold", "rule", "curve"} == set(fitted)
    with pytest.raises(ValueError, match="expected off, auto, or a cosine"):
        build(changed, lookalikes="near")


def test_a_large_index_stands_in_a_file_and_answers_the_same(changed: Shop) -> None:
    """Lists written straight to disk; a service maps them or takes them into memory."""
    before = pin(changed.index)
    expected = [(hit.item_id, round(hit.score, 5)) for hit in open_bundle(before).search("red shoes", 20)]
    build(changed, disk_above_gb=0.0)
    made = pin(changed.index)
    assert made.facts["lists"] == "disk"
    assert "index.ivfdata" in {entry.name for entry in made.manifest.files}
    for lists in ("disk", "memory"):
        found = open_bundle(made, lists=lists).search("red shoes", 20)
        assert [(hit.item_id, round(hit.score, 5)) for hit in found] == expected
    assert verify.main(verify.Args(changed.index))["sound"] is True


def test_what_held_the_recall_yesterday_is_tried_first_and_a_shrunken_catalogue_stops(changed: Shop) -> None:
    build(changed, previous=changed.index)
    facts = pin(changed.index).facts
    assert facts["search_cached"] is True
    assert len(facts["curve"]) == 1
    assert facts["changed"]["coded"]["coded"] == facts["items"]
    publish_tables(keep=380)
    embed(changed)
    with pytest.raises(RuntimeError, match=r"380 items, 5\.2% fewer"):
        build(changed, previous=changed.index)
    build(changed, previous=changed.index, max_shrink_frac=0.06)
    assert pin(changed.index).facts["items"] == 380

"""Codes of shards: merged they are one index, updated they are what coding anew would give, on any day."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from jobs.bundle.files import INDEX_FILE, MAPPED, write_index
from jobs.index import codes
from jobs.index.assemble import MergedCodes, fill_on_disk, fits_on_disk
from jobs.index.shard_codes import CodedShard
from jobs.index.tune import TrainedIndex
from jobs.lake.partitions import CODES, EMBEDDINGS, Partition
from jobs.lake.read import pin
from models.ann.codes import fill
from models.ann.search import ask
from models.ann.train import train
from models.evaluation.recall import overlap
from tests.jobs.index.coded import SHARDS, SPACE, Catalogue, code, merged, quantise
from tests.models.ann.vectors import brute, queries

DAYS = [f"2026-01-{day:02d}" for day in range(1, 12)]
ASKED = queries(60)
SETTINGS = {"nprobe": 10, "k_factor": 4, "efSearch": 64}


def index_of(first: Partition, trained_index: Partition) -> faiss.Index:
    together, learnt = merged(first), TrainedIndex.open(pin(trained_index))
    return fill(learnt.trained, learnt.factory, len(together.ids), together.blocks(500), together.refine(700))


@pytest.mark.parametrize("factory", ["IVF32,SQ8", "IVF32,PQ16x4fs,Refine(SQ8)", "Flat"])
def test_three_shards_answer_as_one_index(lake: Path, factory: str) -> None:
    catalogue = Catalogue.first(2000)
    catalogue.embed(DAYS[0])
    learnt = quantise(DAYS[0], catalogue, factory)
    first = code(DAYS[0], learnt)
    ids, vectors = catalogue.sorted
    assert merged(first).ids.to_pylist() == ids
    alone = faiss.index_factory(32, "IVF32,SQ8" if factory == "IVF32,SQ8" else "Flat", faiss.METRIC_INNER_PRODUCT)
    if factory == "IVF32,SQ8":
        alone = faiss.clone_index(TrainedIndex.open(pin(learnt)).trained)
        alone.nprobe = 10
    alone.add(vectors)
    rows, scores = ask(index_of(first, learnt), ASKED, 20, SETTINGS)
    expected, numbers = alone.search(ASKED, 20)
    if "Refine" in factory:
        assert overlap(rows, numbers) > 0.85
    else:
        assert (rows == numbers).mean() > 0.999
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_ten_days_of_changes_end_where_coding_anew_ends(lake: Path) -> None:
    """Byte for byte; and a trained index trained for the last day is not better by more than .02 of recall."""
    factory = "IVF32,SQ4,Refine(SQ8)"
    catalogue = Catalogue.first(1500)
    catalogue.embed(DAYS[0])
    learnt = quantise(DAYS[0], catalogue, factory)
    code(DAYS[0], learnt)
    for before, (number, ds) in zip(DAYS, enumerate(DAYS[1:], start=1), strict=False):
        gone, catalogue = set(catalogue.ids), catalogue.next(number)
        gone -= set(catalogue.ids)
        catalogue.embed(ds)
        updated = [pin(one).manifest for one in siblings(code(ds, learnt, before))]
        taken = sum(one.facts["taken_over"] for one in updated) / len(catalogue.ids)
        assert 0.9 < taken < 0.97
        assert sum(one.facts["ended"] for one in updated) == len(gone), "a changed item has not ended"
        if number in (1, 5, 10):
            anew = [pin(one).manifest for one in siblings(code(ds, learnt))]
            assert [one.content_sha256 for one in updated] == [one.content_sha256 for one in anew]
            assert all(one.facts["taken_over"] == 0 for one in anew)
    ids, vectors = catalogue.sorted
    first = code(DAYS[10], learnt, DAYS[9])
    assert merged(first).ids.to_pylist() == ids
    exact = brute(ASKED, vectors, 20)
    old = overlap(ask(index_of(first, learnt), ASKED, 20, SETTINGS).items, exact)
    retrained = quantise(DAYS[10], catalogue, factory, "1" * 16)
    new = overlap(ask(index_of(code(DAYS[10], retrained), retrained), ASKED, 20, SETTINGS).items, exact)
    assert old >= new - 0.02


def siblings(first: Partition) -> list[Partition]:
    return [first.having(shard=f"{number}of{SHARDS}") for number in range(SHARDS)]


def test_codes_of_another_quantiser_are_not_taken_over(lake: Path) -> None:
    catalogue = Catalogue.first(300)
    catalogue.embed(DAYS[0])
    code(DAYS[0], quantise(DAYS[0], catalogue, "IVF8,SQ8"))
    catalogue.embed(DAYS[1])
    first = code(DAYS[1], quantise(DAYS[1], catalogue, "IVF8,SQ8", "1" * 16), DAYS[0])
    assert (pin(first).facts["taken_over"], pin(first).facts["quantiser_id"]) == (0, "1" * 16)


def test_shards_that_do_not_belong_together_are_refused(lake: Path) -> None:
    catalogue = Catalogue.first(300)
    catalogue.embed(DAYS[0])
    first = code(DAYS[0], quantise(DAYS[0], catalogue, "IVF8,SQ8"))
    others = siblings(first)[1:]
    at = EMBEDDINGS.at(ds=DAYS[0], space=SPACE, shard="1of3")
    codes.main(codes.Args(at, quantise(DAYS[0], catalogue, "IVF8,SQ8", "1" * 16), others[0]))
    with pytest.raises(RuntimeError, match="run jobs.index.codes on this shard again"):
        merged(first)
    with pytest.raises(ValueError, match="give the first shard"):
        merged(others[0])
    with pytest.raises(LookupError, match="0of4"):
        merged(first.having(shard="0of4"))
    with pytest.raises(ValueError, match="expected one space and one shard"):
        codes.Args(at, Partition.parse(f"trained_index/ds={DAYS[0]}/space={SPACE}"), first)


def test_an_item_in_two_shards_is_refused(lake: Path) -> None:
    """FAISS's own merge takes the same shard twice."""
    catalogue = Catalogue.first(300)
    catalogue.embed(DAYS[0])
    first = code(DAYS[0], quantise(DAYS[0], catalogue, "IVF8,SQ8"))
    opened = CodedShard.open(pin(first))
    with pytest.raises(RuntimeError, match="is a shard given twice"):
        MergedCodes.of([opened, opened])


def test_a_quantiser_of_another_space_is_refused(lake: Path) -> None:
    catalogue = Catalogue.first(300)
    catalogue.embed(DAYS[0])
    learnt = quantise(DAYS[0], catalogue, "IVF8,SQ8")
    at = {"ds": DAYS[0], "space": "1" * 16, "shard": "0of3"}
    with pytest.raises(LookupError):
        codes.main(codes.Args(EMBEDDINGS.at(**at), learnt, CODES.at(**at)))


@pytest.mark.parametrize("factory", ["IVF32,SQ8", "IVF32,SQ4,Refine(SQ8)", "RR32,IVF32,RaBitQ4"])
def test_lists_in_a_file_answer_as_in_memory_from_wherever_they_lie(lake: Path, tmp_path: Path, factory: str) -> None:
    """FAISS's own merge on disk keeps the path, and a renamed folder breaks it."""
    catalogue = Catalogue.first(1000)
    catalogue.embed(DAYS[0])
    learnt = quantise(DAYS[0], catalogue, factory)
    together = merged(code(DAYS[0], learnt))
    trained = TrainedIndex.open(pin(learnt)).trained
    assert fits_on_disk(trained, factory)
    made = tmp_path / "made"
    made.mkdir()
    index = fill_on_disk(trained, 1000, together.blocks(100), together.refine(), made)
    write_index(index, made / INDEX_FILE)
    del index
    made.rename(tmp_path / "moved")
    (tmp_path / "moved" / "index.ivfdata").chmod(0o444)
    again = faiss.read_index(str(tmp_path / "moved" / INDEX_FILE), MAPPED)
    expected = ask(index_of(siblings(CODES.at(ds=DAYS[0], space=SPACE, shard="0of3"))[0], learnt), ASKED, 20, SETTINGS)
    found = ask(again, ASKED, 20, SETTINGS)
    assert (found.items == expected.items).all()
    assert (found.scores == expected.scores).all()
    assert not fits_on_disk(train(catalogue.vectors, "Flat"), "Flat")
    assert not fits_on_disk(trained, "IVF32,PQ16x4fs")

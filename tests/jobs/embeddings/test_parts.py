"""Parts of embedding: a stable hash, work beside the encoding, exact ids, results that add up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.embeddings.delta import compare
from jobs.embeddings.id_check import ItemHashes, digest, repeated
from jobs.embeddings.prefetch import WriteBehind, read_ahead
from jobs.embeddings.sharding import hash64, shard_of
from jobs.embeddings.worker import PackedMask, WorkerResult, combined

MASK = (1 << 64) - 1


def by_hand(text: str) -> int:
    """The hash in plain integers."""
    data = text.encode()
    found = sum((byte + 1) * pow(0x9E3779B97F4A7C15, place, 1 << 64) for place, byte in enumerate(data))
    found = (found + len(data) * 0xC4CEB9FE1A85EC53) & MASK
    for mix in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        found = ((found ^ (found >> 33)) * mix) & MASK
    return found ^ (found >> 33)


@settings(deadline=None)  # a shared machine stalls
@given(st.lists(st.text()))
def test_the_hash_is_that_of_plain_integers(ids: list[str]) -> None:
    ids = [text.encode("utf-8", "ignore").decode() for text in ids]
    assert hash64(pa.array(ids, pa.string())).tolist() == [by_hand(text) for text in ids]


def test_an_item_never_wanders() -> None:
    """Recorded: another hash would send items to other shards, and every delta would be a rebuild."""
    ids = pa.array(["1", "item-0001", "żółć", "", "a" * 300])
    assert shard_of(ids, 7).tolist() == [by_hand(text) % 7 for text in ids.to_pylist()]
    assert hash64(ids).tolist()[:2] == [0xDC33FDD00E85D41F, 0xE436A7C66AE54195]
    again = pa.array(["x", *ids.to_pylist()]).slice(1)  # offsets that do not begin at 0
    assert hash64(again).tolist() == hash64(ids).tolist()


@pytest.mark.parametrize("shards", [2, 3, 64])
def test_items_are_spread_evenly(shards: int) -> None:
    for ids in ([f"{row}" for row in range(64_000)], [f"offer-{row:012d}" for row in range(64_000)]):
        found = np.bincount(shard_of(pa.array(ids), shards), minlength=shards)
        expected = len(ids) / shards
        chi2 = float(((found - expected) ** 2 / expected).sum())
        assert chi2 < shards + 6 * np.sqrt(2 * shards)


def test_what_is_made_ahead_comes_in_order_and_waits() -> None:
    made: list[int] = []

    def slow() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    found = read_ahead(slow(), depth=2)
    assert next(found) == 0
    time.sleep(0.3)
    assert len(made) <= 5, "it does not run away"
    assert list(found) == list(range(1, 50))
    assert list(read_ahead([])) == []


def test_an_error_of_the_other_thread_is_raised_here() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk full")

    found = read_ahead(broken())
    assert next(found) == 1
    with pytest.raises(OSError, match="disk full"):
        next(found)

    def refuse(thing: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), WriteBehind(refuse) as writing:
        for number in range(100):  # more than fit into the queue: it must not wait for ever
            writing(number)
    with pytest.raises(OSError, match="disk full"), WriteBehind(refuse) as writing:
        writing(1)


def test_an_error_here_ends_the_other_threads() -> None:
    before = threading.active_count()
    written: list[int] = []

    def slow(thing: int) -> None:
        time.sleep(0.05)
        written.append(thing)

    with pytest.raises(KeyError), WriteBehind(slow) as writing:
        for number in read_ahead(itertools.count()):
            writing(number)
            if number == 5:
                raise KeyError(number)
    assert threading.active_count() == before
    assert len(written) < 6, "what waited is dropped"
    with WriteBehind(written.append) as writing:
        for number in range(100):
            writing(number)
    assert written[-100:] == list(range(100))


def test_repeats_and_digests_by_hand() -> None:
    ids = pa.array(["b", "a", "ab", "a"], pa.large_string())
    assert repeated(ids) == (1, "a")
    assert repeated(ids.slice(1)) == (1, "a")
    assert repeated(ids.slice(0, 3)) is None
    assert repeated(ids.slice(0, 0)) is None
    shuffled = pa.array(["ab", "b", "a", "a"], pa.large_string())
    assert digest(ids) == digest(shuffled)
    # the same bytes, cut elsewhere
    assert digest(pa.array(["a", "bc"])) != digest(pa.array(["ab", "c"]))
    assert digest(pa.array([], pa.string())) != digest(pa.array([""]))


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.sampled_from("xyz")),
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.sampled_from("xyz")),
)
def test_a_delta_by_dictionaries(old: dict[str, str], new: dict[str, str]) -> None:
    found = compare(hashes(new), hashes(old))
    kept = {name for name, is_kept in zip(old, found.to_keep, strict=True) if is_kept}
    todo = {name for name, is_todo in zip(new, found.to_encode, strict=True) if is_todo}
    assert kept == {name for name in old if new.get(name) == old[name]}
    assert todo == new.keys() - kept
    assert set(found.ended.to_pylist()) == old.keys() - new.keys()


def test_an_item_without_a_content_hash_is_encoded_anew() -> None:
    today = ItemHashes(pa.array(["a", "b"], pa.large_string()), pa.array(["h", None], pa.large_string()))
    found = compare(today, today)
    assert (found.to_encode.tolist(), found.to_keep.tolist()) == ([False, True], [True, False])


def hashes(items: dict[str, str]) -> ItemHashes:
    return ItemHashes(*(pa.array(list(part), pa.large_string()) for part in (items.keys(), items.values())))


def test_results_of_workers_add_up() -> None:
    one = WorkerResult(0, ["a"], 3, 1, {"encode": 1.0, "read": 0.5}, 10, 2, 4.0, "x", 1)
    assert WorkerResult.from_json(one.to_json()) == one
    both = combined([one, WorkerResult(1, ["b"], 2, 0, {"encode": 2.0}, 5, 1, 3.0)])
    assert (both.files, both.encoded, both.taken_over, both.tokens) == (["a", "b"], 5, 1, 15)
    assert (both.seconds, both.wall_s, both.loaded) == ({"encode": 3.0, "read": 0.5}, 4.0, 1)


@given(st.lists(st.booleans()))
def test_a_mask_travels_as_bits(mask: list[bool]) -> None:
    packed = PackedMask.of(np.array(mask, np.bool_))
    assert packed.unpack().tolist() == mask
    assert (packed.count, packed.set_count) == (len(mask), sum(mask))

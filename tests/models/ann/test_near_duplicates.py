"""Near-duplicate collapse: by hand, against a plain double loop, and the sweep's figures counted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from models.ann import near_duplicates as lookalikes
from models.ann.near_duplicates import KEEP_ALL, NearDuplicateFit, deduplicate, fit_near_duplicates, groups_of
from models.training.batches import Known


def at_degrees(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane: the cosine of two is that of the angle between them."""
    turned = np.deg2rad(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def ten_degrees() -> float:
    return float(np.cos(np.deg2rad(10.5)))


def scores_of(items: np.ndarray) -> np.ndarray:
    falling = np.linspace(1, 0.5, items.shape[1], dtype=np.float32) + np.zeros(items.shape, np.float32)
    return np.where(items < 0, -np.inf, falling)


def test_a_list_by_hand() -> None:
    vectors = at_degrees(0, 50, 10, 55, 90)
    items = np.array([[0, 1, 2, 3, 4, -1]])
    found = deduplicate(items, scores_of(items), vectors.__getitem__, ten_degrees())
    # 2 lies 10 degrees from 0, and 3 lies 5 from 1
    assert found.items.tolist() == [[0, 1, 4, -1, -1, -1]]
    np.testing.assert_allclose(found.scores, [[1.0, 0.9, 0.6, *[-np.inf] * 3]], rtol=1e-6)


def test_a_chain_is_not_one_thing() -> None:
    # each 10 degrees from the next: 1 goes because of 0, and then does not take 2 along
    items = np.array([[0, 1, 2, 3]])
    found = deduplicate(items, scores_of(items), at_degrees(0, 10, 20, 30).__getitem__, ten_degrees())
    assert found.items.tolist() == [[0, 2, -1, -1]]


def test_what_lies_too_close_to_the_item_that_asks_goes_too() -> None:
    vectors = at_degrees(0, 8, 20, 30)
    items = np.array([[0, 1, 2, 3]])
    asked = at_degrees(1)
    found = deduplicate(items, scores_of(items), vectors.__getitem__, ten_degrees(), asked)
    # 0 and 1 are the query itself; gone, they do not take 2 along, which takes 3
    assert found.items.tolist() == [[2, -1, -1, -1]]


def test_equal_vectors_have_a_cosine_of_1_whatever_is_rounded() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = np.arange(80)[None]
    found = deduplicate(items, scores_of(items), lambda rows: vectors[rows % 40], 1.0)
    assert found.items[0].tolist() == [*range(40), *[-1] * 40]


def test_nothing_goes_above_every_cosine_and_empty_lists_stay_empty() -> None:
    vectors = at_degrees(0, 0, 0)
    items = np.array([[0, 1, 2], [-1, -1, -1]])
    found = deduplicate(items, scores_of(items), vectors.__getitem__, KEEP_ALL)
    assert found.items.tolist() == items.tolist()
    assert np.isneginf(found.scores[1]).all()
    assert deduplicate(items[:0], scores_of(items[:0]), vectors.__getitem__, 0.9).items.shape == (0, 3)


def plainly(items: np.ndarray, vectors: np.ndarray, threshold: float, asked: np.ndarray | None) -> list[list[int]]:
    """The same, item by item."""
    lists = []
    for query, row in enumerate(items):
        stays: list[int] = []
        for item in row[row >= 0]:
            near = [*vectors[stays], *([] if asked is None else [asked[query]])]
            if all(float(vectors[item] @ one) < threshold for one in near):
                stays.append(int(item))
        lists.append(stays)
    return lists


@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("as_items", [False, True])
@pytest.mark.parametrize("floats", [1 << 26, 1])
def test_it_is_the_double_loop(threshold: float, as_items: bool, floats: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookalikes, "_FLOATS", floats)  # 1: a list at a time
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 8))
    vectors = centres[rng.integers(0, 40, 300)] + 0.3 * rng.standard_normal((300, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    items = np.stack([rng.choice(300, 50, replace=False) for _ in range(30)])
    for query, end in enumerate(rng.integers(0, 51, 30)):
        items[query, end:] = -1
    asked = vectors[rng.integers(0, 300, 30)] if as_items else None
    found = deduplicate(items, scores_of(items), vectors.__getitem__, threshold, asked)
    expected = plainly(items, vectors, threshold, asked)
    assert [row[row >= 0].tolist() for row in found.items] == expected
    assert ((found.items >= 0) == np.isfinite(found.scores)).all()
    assert (found.scores[:, 1:] <= found.scores[:, :-1]).all()


# Two offers of a lamp (group 0) and of a chair (group 1), a table (2), a stool that looks like the chair (3)
VECTORS = at_degrees(0, 2, 40, 44, 80, 49)
GROUP = np.array([0, 0, 1, 1, 2, 3])
LISTS = np.array([[0, 1, 2, 3, 5, 4], [2, 3, 4, -1, -1, -1]])
# judged: both lamps and the stool answer query 0, the first chair and the table query 1
RELEVANT = Known(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 5, 2, 4]), 2)


def cosine(degrees: float) -> float:
    return float(np.cos(np.deg2rad(degrees)))


def swept(max_lost: float, depth: int = 5) -> NearDuplicateFit:
    tried = (cosine(3), cosine(6), cosine(9.5))
    return fit_near_duplicates(LISTS, VECTORS.__getitem__, GROUP, RELEVANT, depth, max_lost, tried)


def test_the_curve_by_hand() -> None:
    curve = {round(row.threshold, 4): row for row in swept(0.0).curve}
    at_rest, three, six, nine = (curve[round(one, 4)] for one in (KEEP_ALL, cosine(3), cosine(6), cosine(9.5)))
    # first 5: lamp lamp chair chair stool | chair chair table: three items repeat a group
    assert (at_rest.duplicates, at_rest.duplicates_removed) == (1.5, 0.0)
    assert (at_rest.groups_lost, at_rest.items_lost, at_rest.length) == (0.0, 0.0, 4.5)
    # 3 degrees: one lamp goes, of five relevant items found one, of four relevant groups none
    assert (three.duplicates, three.groups_lost, three.length) == (1.0, 0.0, 4.0)
    assert three.items_lost == pytest.approx(1 / 5)
    assert three.duplicates_removed == pytest.approx(1 / 3)
    # 6 degrees: the second chairs go, and the stool, which only they are near, stays
    assert (six.duplicates, six.duplicates_removed, six.groups_lost) == (0.0, 1.0, 0.0)
    assert six.items_lost == pytest.approx(1 / 5)
    # lamp chair stool table | chair table
    assert six.length == 3.0
    # 9.5 degrees: the stool, 9 from the first chair, goes too, one of four relevant groups
    assert nine.groups_lost == pytest.approx(1 / 4)
    assert (nine.items_lost, nine.length) == (pytest.approx(2 / 5), 2.5)


def test_the_rule_takes_the_most_duplicates_within_the_loss() -> None:
    assert swept(0.0).threshold == pytest.approx(cosine(6))
    # 9.5 degrees removes no more duplicates: the higher threshold stays
    assert swept(1.0).threshold == pytest.approx(cosine(6))
    without = fit_near_duplicates(LISTS, VECTORS.__getitem__, GROUP, RELEVANT, 5, 0.0, [cosine(9.5)])
    assert without.threshold == KEEP_ALL
    assert "0.5%" in swept(0.005).rule


def test_items_that_move_up_may_bring_more_than_went() -> None:
    # the first two are lamps, of which one is judged; without the second the judged chair moves up
    relevant = Known(np.array([0, 0]), np.array([0, 2]), 2)
    found = fit_near_duplicates(LISTS[:1], VECTORS.__getitem__, GROUP, relevant, 2, 0.0, [cosine(6)])
    row = next(row for row in found.curve if row.threshold < 1)
    assert row.groups_lost == pytest.approx(-1.0)  # one group before, two after


def test_without_judgements_nothing_is_dropped() -> None:
    nobody = Known(np.zeros(0, np.int64), np.zeros(0, np.int64), 2)
    found = fit_near_duplicates(LISTS, VECTORS.__getitem__, GROUP, nobody)
    assert found.threshold == KEEP_ALL
    assert found.rule.startswith("no relevant item")
    assert len(found.curve) == len(lookalikes.THRESHOLDS)


def test_groups_by_hand() -> None:
    ids = ["a", "b", "c", "d", "e", "f", "g"]
    groups = ["p", "p", "c", "d", "", "f", "f"]
    titles = ["red lamp", "lamp", "chair", "chair", "chair", "", "stool"]
    found = groups_of(groups, ids, titles)
    # a and b share a group_id; c, d and e have none of their own but the same title; f is the group of f and g
    assert found[0] == found[1] and found[2] == found[3] == found[4] and found[5] == found[6]
    assert len(set(found.tolist())) == 3
    assert len(set(groups_of(["x", "y"], ["x", "y"], ["", ""]).tolist())) == 2

"""True relevance: by hand, against a plain loop, and whatever the chunks."""

import numpy as np
import pytest

from models.simulator.marketplace.products import COLUMNS, shop
from models.simulator.marketplace.queries import asked
from models.simulator.marketplace.relevance import RELEVANT, SampledJudgements, grade, judge

DAY = 739_647


def traits(**values: int) -> np.ndarray:
    """Latent attributes or wishes: -1 but for the named."""
    return np.array([values.get(name, -1) for name in COLUMNS], dtype=np.int64)


# trampki (type 4) by brand 7 with theme 2, black (colour 1), size 30, for women (audience 0)
SHOE = traits(type=4, brand=7, theme=2, colour=1, size=30, audience=0)


@pytest.mark.parametrize(
    ("wish", "relevance"),
    [
        (traits(type=4), 3),  # any trampki will do
        (traits(type=4, theme=2), 3),  # tenisówki pikachu
        (traits(type=4, colour=1, brand=7), 3),
        (traits(type=4, brand=7, colour=5), 2),  # right brand, wrong colour
        (traits(type=4, colour=1, size=31), 2),  # right colour, wrong size
        (traits(type=4, colour=5), 1),  # of all that is asked only the type is right
        (traits(type=4, colour=5, size=31, brand=7), 1),  # two minor traits missing
        (traits(type=4, brand=8), 1),  # another brand is no answer
        (traits(type=4, theme=3), 1),
        (traits(type=9, theme=2), 1),  # a mug of the same theme
        (traits(theme=2), 3),  # pikachu, no type asked
        (traits(theme=3), 0),
        (traits(type=9), 0),
        (traits(type=9, brand=7, colour=1), 0),  # brand and colour alone resemble nothing
        (traits(type=4, model=11), 1),  # the item has no such model number
        (traits(type=4, material=3), 1),  # the item's material is not known
    ],
)
def test_grades_by_hand(wish: np.ndarray, relevance: int) -> None:
    assert grade(wish, SHOE) == relevance


def everything(relevant_cap: int, partial_cap: int, chunk: int) -> tuple[SampledJudgements, np.ndarray]:
    wanted = asked(7, np.arange(150), 3000, DAY, pool=60).wanted
    slots = np.arange(3000)
    parts = [shop(7, slots[i : i + chunk], DAY) for i in range(0, 3000, chunk)]
    return judge(7, wanted, parts, relevant_cap, partial_cap), wanted


def test_judging_by_groups_finds_what_a_plain_loop_finds() -> None:
    judged, wanted = everything(10**6, 10**6, chunk=1000)
    alive, latent = shop(7, np.arange(3000), DAY)
    grades = np.stack([grade(wish, latent) for wish in wanted])
    query, item = np.nonzero(grades)
    expected = sorted(zip(query, alive.offer[item], grades[query, item], strict=True))
    assert list(zip(judged.queries, judged.items, judged.grades, strict=True)) == expected
    assert judged.exact.tolist() == (grades == 3).sum(axis=1).tolist()
    assert judged.relevant.tolist() == (grades >= RELEVANT).sum(axis=1).tolist()


def test_the_sample_is_the_same_whatever_the_chunks() -> None:
    one, other = everything(5, 3, chunk=3000)[0], everything(5, 3, chunk=700)[0]
    for name in ("queries", "items", "grades", "exact", "relevant"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_the_caps_hold_and_the_true_count_is_known() -> None:
    judged, _ = everything(5, 3, chunk=1000)
    relevant = np.bincount(judged.queries[judged.grades >= RELEVANT], minlength=150)
    partial = np.bincount(judged.queries[judged.grades == 1], minlength=150)
    assert relevant.tolist() == np.minimum(judged.relevant, 5).tolist()
    assert partial.max() == 3
    assert (judged.relevant > 5).any()  # else nothing was capped and this proves nothing

"""The synthetic shop: any day and any chunk alone, a few changes a day, a long tail, near-duplicates."""

from collections import Counter

import numpy as np
import pytest

from models.simulator.marketplace import offers
from models.simulator.marketplace.counter_rng import below, uniform
from models.simulator.marketplace.polish import agree, masculine
from models.simulator.marketplace.products import COLUMNS, lives, shop
from models.simulator.marketplace.vocabulary import TRAITS, vocabulary

DAY = 739_647  # 2026-01-31
SLOTS = np.arange(20_000)


def by_id(day: int, slots: np.ndarray = SLOTS) -> dict[str, tuple[str, float]]:
    made = offers(7, slots, day)
    return dict(zip(made.item_ids, zip(made.titles, made.prices, strict=True), strict=True))


def test_the_shop_is_of_a_real_shops_breadth() -> None:
    types = vocabulary().types
    assert len(types.names) >= 120
    assert len({path.split(" > ")[0] for path in types.categories}) >= 12
    assert len(set(types.categories)) == len(types.categories)
    assert len(vocabulary().traits["brand"].titles) > 200
    assert len(vocabulary().traits["theme"].titles) > 25


@pytest.mark.parametrize(
    ("word", "gender", "said"),
    [
        ("czarny", "f", "czarna"),
        ("niebieski", "p", "niebieskie"),  # k keeps its i before e
        ("niebieski", "g", "niebieskich"),
        ("czarny", "g", "czarnych"),
        ("na zimę", "f", "na zimę"),  # a phrase has no ending
        ("diy", "f", "diy"),  # ends in y and is no adjective
        ("oversize", "p", "oversize"),
    ],
)
def test_adjectives_agree_with_their_noun(word: str, gender: str, said: str) -> None:
    assert agree(word, gender) == said


def test_a_material_is_said_in_the_masculine_before_it_agrees() -> None:
    assert agree(masculine("skórzane"), "f") == "skórzana"
    assert masculine("z ekoskóry") == "z ekoskóry"


def test_a_chunk_alone_is_the_same_as_in_the_whole_shop() -> None:
    whole, part = offers(7, SLOTS, DAY), offers(7, SLOTS[700:900], DAY)
    assert part.titles.tolist() == whole.titles[700:900].tolist()
    assert part.item_ids.tolist() == whole.item_ids[700:900].tolist()
    assert part.prices.tolist() == whole.prices[700:900].tolist()
    low, high = whole.offsets[700], whole.offsets[900]
    assert part.values.tolist() == whole.values[low:high].tolist()


def test_a_day_alone_is_the_same_as_in_sequence() -> None:
    alone = by_id(DAY + 2)
    for day in (DAY, DAY + 1, DAY + 2):  # had any state stayed behind, the last would differ
        last = by_id(day)
    assert last == alone


def test_a_few_items_end_begin_and_change_each_day() -> None:
    today, tomorrow = by_id(DAY), by_id(DAY + 1)
    assert len(today) == len(tomorrow) == len(SLOTS)  # ids are unique, the shop keeps its size
    stay = today.keys() & tomorrow.keys()
    assert 0.005 < 1 - len(stay) / len(SLOTS) < 0.03
    changed = np.mean([today[item] != tomorrow[item] for item in stay])
    assert 0.03 < changed < 0.15
    month = by_id(DAY + 30)
    back = (today.keys() - tomorrow.keys()) & month.keys()
    assert not back  # an ended item never returns


def test_offers_of_one_product_share_all_but_the_size() -> None:
    alive, latent = shop(7, SLOTS, DAY)
    _, first, group = np.unique(alive.product, return_index=True, return_inverse=True)
    same = np.delete(latent, COLUMNS.index("size"), axis=1)
    assert (same == same[first][group]).all()
    sizes = Counter(Counter(group.tolist()).values())
    assert max(sizes) <= 6
    assert sizes[1] > 0.2 * len(SLOTS) / 2
    assert sum(n for k, n in sizes.items() if k > 1) > 1_000  # products of several offers are common
    titles = offers(7, SLOTS, DAY).titles
    assert len(set(titles)) > 0.95 * len(titles)  # near-duplicates, worded apart


def test_types_have_a_zipf_tail() -> None:
    _, latent = shop(7, np.arange(200_000), DAY)
    counts = np.sort(np.bincount(latent[:, 0], minlength=233))[::-1]
    ranks = np.arange(1, 121)  # of the rarest the order is chance
    slope = np.polyfit(np.log(ranks), np.log(counts[:120]), 1)[0]
    assert slope == pytest.approx(-0.75, abs=0.05)


def test_an_item_has_only_what_its_kind_can_have() -> None:
    _, latent = shop(7, SLOTS, DAY)
    words = vocabulary()
    kinds = words.types.kinds[latent[:, 0]]
    for name in TRAITS:
        trait, value = words.traits[name], latent[:, COLUMNS.index(name)]
        has = value >= 0
        assert (trait.choices[kinds[has]] == value[has][:, None]).any(axis=1).all(), name
        assert (trait.share[kinds[has]] > 0).all(), name


def test_titles_say_what_the_item_is() -> None:
    made = offers(7, SLOTS[:2000], DAY)
    types = vocabulary().types
    names = [
        any(name.lower() in title.lower() for name in types.names[kind])
        for title, kind in zip(made.titles, made.latents[:, 0], strict=True)
    ]
    assert np.mean(names) > 0.95  # the rest lost their diacritics
    assert not any(title != title.strip() or "  " in title for title in made.titles)
    assert (made.prices > 0).all()


def test_another_seed_is_another_shop() -> None:
    assert offers(8, SLOTS[:50], DAY).titles.tolist() != offers(7, SLOTS[:50], DAY).titles.tolist()


def test_lives_follow_each_other_without_gap() -> None:
    slot = np.zeros(2000, dtype=np.int64) + 5
    days = np.arange(DAY, DAY + 2000)
    alive = lives(7, slot, days)
    born = alive.offer % 10**6
    assert (born <= days).all()
    starts = np.flatnonzero(np.diff(alive.offer)) + 1
    assert (born[starts] == days[starts]).all()  # a new life is born on the day the old one is gone


def test_draws_are_uniform_and_apart() -> None:
    draws = uniform(7, "a", np.arange(100_000))
    assert np.histogram(draws, 10, (0, 1))[0] == pytest.approx(np.full(10, 10_000), rel=0.05)
    assert abs(np.corrcoef(draws, uniform(7, "b", np.arange(100_000)))[0, 1]) < 0.02
    assert set(below(7, "c", np.arange(1000), 3).tolist()) == {0, 1, 2}

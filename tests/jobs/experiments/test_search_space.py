"""The language of a sweep: its values, the command of each flag, and its errors."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from jobs.experiments.search_space import ITEM_STAGES, flags_of, grid, is_numeric, parse_fixed, parse_space, point_name


def test_lists_and_ranges_take_the_types_of_their_flags() -> None:
    space = parse_space(" batch_size=256, 1024;temperature=0.03..0.1~ ;r_min=0..50;star=continue,restart;")
    assert space == {
        "batch_size": CategoricalDistribution((256, 1024)),
        "temperature": FloatDistribution(0.03, 0.1, log=True),
        "r_min": IntDistribution(0, 50),
        "star": CategoricalDistribution(("continue", "restart")),
    }
    assert [is_numeric(values) for values in space.values()] == [True, True, True, False]


def test_a_grid_varies_the_last_flag_fastest_and_names_its_points() -> None:
    space = parse_space("batch_size=6,12;lr=1e-3,0.01")
    points = grid(space)
    names = [point_name(one) for one in points]
    assert names == ["batch_size=6;lr=0.001", "batch_size=6;lr=0.01", "batch_size=12;lr=0.001", "batch_size=12;lr=0.01"]
    assert [parse_fixed(name) for name in names] == points
    # a number that a sampler chose survives its name
    odd = {"batch_size": 6, "lr": 0.049564781644903431}
    assert parse_fixed(point_name(odd)) == odd


def test_every_flag_goes_where_it_has_an_effect() -> None:
    found = flags_of(
        {
            "batch_size": 12,
            "r_min": 3,
            "hard_negatives": 2,
            "star": "restart",
            "epochs": 4,
            "star.epochs": 1,
            "in_batch.lr": 0.5,
            "negatives.margin": "relative",
            "towers.margin": 0.3,
        }
    )
    assert found == {
        "in_batch": {"batch_size": 12, "epochs": 4, "lr": 0.5, "margin": 0.3},
        "negatives": {"r_min": 3, "margin": "relative"},
        "star": {"batch_size": 12, "epochs": 1, "hard_negatives": 2, "restart": "on", "margin": 0.3},
    }
    # the same step 1 whatever step 3 is
    one, other = ({"batch_size": 12, "star": star} for star in ("continue", "restart"))
    assert flags_of(one)["in_batch"] == flags_of(other)["in_batch"]


def test_flags_of_item2vec_go_to_its_methods_and_to_no_towers() -> None:
    setting = {"vector_size": 32, "item2vec.epochs": 9, "ns_exponent": -0.5}
    flags = {"vector_size": 32, "epochs": 9, "ns_exponent": -0.5}
    assert flags_of(setting, ITEM_STAGES) == {"prod2vec": flags, "meta_prod2vec": flags}
    # without the name of its command a flag of both is that of towers, as it always was
    assert flags_of({"epochs": 4})["in_batch"] == {"epochs": 4}
    with pytest.raises(
        ValueError, match="epochs: a flag of towers, and this study runs item2vec; write item2vec.epochs"
    ):
        flags_of({"epochs": 4}, ITEM_STAGES)
    with pytest.raises(ValueError, match="window: a flag of item2vec, and this study runs negatives, towers"):
        flags_of({"window": 4})
    with pytest.raises(ValueError, match="ns_exponent=3"):
        flags_of({"ns_exponent": 3.0}, ITEM_STAGES)


def test_fixed_takes_one_value_of_each_and_a_bert() -> None:
    found = parse_fixed("epochs=4;preset=tiny;prodbert=prodbert/ds=2026-01-31;matryoshka=32,16")
    assert found == {"epochs": 4, "preset": "tiny", "prodbert": "prodbert/ds=2026-01-31", "matryoshka": "32,16"}
    assert parse_fixed("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_siz=3", "batch_siz: .* no flag batch_siz; did you mean batch_size"),
        ("batch_size", "found 'batch_size', expected flag=value"),
        ("batch_size=", "expected flag=value"),
        ("=3", "expected flag=value"),
        ("batch_size=a", "batch_size='a': expected int, the type of this flag of towers"),
        ("batch_size=1.5", "expected int"),
        ("batch_size=3,", "batch_size='': expected int"),
        ("batch_size=3,3", "names a value twice"),
        ("batch_size=3;batch_size=4", "batch_size is given twice"),
        ("temperature=0.1..0.03", "expected low < high"),
        ("temperature=0..1~", "low > 0"),
        ("temperature=0.1..", "temperature='': expected float"),
        ("share_hard_negatives=on..off", "a range wants numbers"),
        ("star=stop", "star='stop': expected continue or restart"),
        ("margin=0.1", "both commands have this flag; write towers.margin or negatives.margin"),
        ("late.lr=0.1", "late is no step; expected one of in_batch, star, towers, negatives, item2vec"),
        ("star.r_min=0", "towers has no flag r_min"),
        ("negatives.lr=0.1", "negatives has no flag lr"),
        ("seed=1,2", "trained with `seeds` seeds"),
        ("start=towers/ds=2026-01-31/step=star", "is a partition; it can be fixed, not swept"),
    ],
)
def test_a_space_that_says_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_space(text)


def test_what_a_sweep_cannot_fix_is_refused() -> None:
    with pytest.raises(ValueError, match="bert alone can be given"):
        parse_fixed("start=towers/ds=2026-01-31/step=star")
    with pytest.raises(ValueError, match="is no table"):
        parse_fixed("prodbert=../../etc")
    with pytest.raises(ValueError, match="a list belongs into space"):
        parse_fixed("batch_size=6,12")
    with pytest.raises(ValueError, match="sampler=grid: lr has a range"):
        grid(parse_space("lr=0.1..0.2"))


def test_a_setting_that_the_job_refuses_is_refused_in_its_words() -> None:
    """r_min alone is fine at 50; with r_max=20 the job's own check says no."""
    flags_of({"r_min": 50})
    with pytest.raises(ValueError, match=r"negatives refuses r_min=50 r_max=20: .*r_min < r_max"):
        flags_of({"r_min": 50, "r_max": 20})

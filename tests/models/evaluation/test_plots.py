from __future__ import annotations

import base64

from models.evaluation.plots import bars, lines, spans


def svg(uri: str) -> str:
    head, _, body = uri.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(body).decode()


def test_a_plot_is_self_contained_in_both_schemes_and_repeats_byte_for_byte() -> None:
    curves = {"dense": ([1.0, 2.0], [0.1, 0.5]), "sparse": ([1.0, 2.0], [0.2, 0.3])}
    first, second = (lines(curves, "K", "R@K", marks=[(2, 0.5, "here")]) for _ in range(2))
    assert first == second
    assert first.light != first.dark
    for uri in first:
        drawn = svg(uri)
        assert "<svg" in drawn and "<script" not in drawn
        # a reference by URL would need the network: only those inside the picture are allowed
        assert 'href="http' not in drawn and "url(http" not in drawn


def test_bars_take_any_number_of_groups() -> None:
    assert svg(bars(["head"], {"dense": [0.5]}, "R@60").light)
    assert svg(bars(["a", "b", "c"], {"x": [1, 2, 3], "y": [3, 2, 1]}, "R@60").dark)


def test_points_with_intervals_in_any_number_of_curves() -> None:
    points = [(256.0, (0.5, 0.4, 0.6)), (1024.0, (0.6, 0.5, 0.7))]
    drawn = svg(spans({f"r_min {n}": points for n in range(7)}, "batch_size", "R@60", log_x=True).light)
    assert "<svg" in drawn
    assert svg(spans({"all": [(0.0, (0.5, 0.4, 0.6)), *points]}, "r_min", "R@60").dark)

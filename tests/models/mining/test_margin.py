"""The margin below a known positive, also where scores are negative."""

from __future__ import annotations

import numpy as np
import pytest

from models.mining.margin import Margin


@pytest.mark.parametrize(
    ("kind", "positive", "expected"),
    [
        ("off", 0.5, np.inf),
        ("absolute", 0.5, 0.4),
        ("absolute", -0.5, -0.6),
        ("relative", 0.5, 0.45),
        # -.5 * (1 - .1) = -.45 would let through what scores better than the positive
        ("relative", -0.5, -0.55),
        ("relative", np.nan, np.inf),  # no known positive: no limit
    ],
)
def test_margins(kind: str, positive: float, expected: float) -> None:
    found = Margin(kind, 0.1).most(np.array([positive], np.float32))
    assert found == pytest.approx([expected])


def test_margins_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of off, absolute, relative"):
        Margin("percent")
    with pytest.raises(ValueError, match="0 to 2"):
        Margin("relative", -0.1)

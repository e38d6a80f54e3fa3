"""The position-based click model, with graded attraction and noise.

A click needs two independent things: the shopper looks at the place, and likes what is there,

    P(click at rank k on item i) = P(examined | k) * P(attracted | relevance of i to the query).

This is the examination hypothesis of Craswell, Zoeter, Taylor and Ramsey, "An experimental comparison of click
position-bias models" (WSDM 2008). Examination falls with rank as k ** -eta, and irrelevant items are clicked with a
small probability, as in the simulations of Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased
feedback" (WSDM 2017; their eta is 1 and their click noise 0.1).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.simulator.arrays import Flags, Floats, Ints


@dataclass(frozen=True)
class ClickModel:
    """eta: the fall of attention with the rank (0: every place is seen). noise: P(attracted) at no relevance.

    cart: P(put in the cart | clicked), times the gain of the item; purchase: P(bought | in the cart).
    """

    eta: float = 1.0
    noise: float = 0.05
    cart: float = 0.25
    purchase: float = 0.4

    def __post_init__(self) -> None:
        if self.eta < 0:
            raise ValueError(f"eta={self.eta}: expected 0 or more")
        for name in ("noise", "cart", "purchase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected a probability")

    def propensities(self, places: int) -> Floats:
        """P(examined) of ranks 1..places: 1 / rank ** eta."""
        seen: Floats = np.arange(1, places + 1, dtype=np.float64) ** -self.eta
        return seen

    def attraction(self, gains: Floats) -> Floats:
        """P(clicked | examined) of items by gain: noise at gain 0, 1 at gain 1."""
        return self.noise + (1 - self.noise) * gains


@dataclass(frozen=True)
class Behaviour:
    """Actions on each place shown [S, R]: a purchase implies a cart, a cart implies a click."""

    clicks: Flags
    carts: Flags
    purchases: Flags


def gain(relevance: Floats, lowest: float, highest: float) -> Floats:
    """Return grades as gains in [0, 1]: (2 ** (3 x) - 1) / 7 with x the grade's place in its scale.

    On a scale 0..3 this is the (2 ** grade - 1) / (2 ** 3 - 1) of graded click simulations and of nDCG.
    """
    place = np.ones_like(relevance) if highest <= lowest else (relevance - lowest) / (highest - lowest)
    gains: Floats = (2.0 ** (3.0 * np.clip(place, 0.0, 1.0)) - 1.0) / 7.0
    return gains


def appeals(numbers: Ints, spread: float) -> Floats:
    """Appeal [N] of items by a number of each: log-normal with mean 1 and this standard deviation of the logarithm.

    It says what words do not, price and photographs: who clicks an item sees it, and buys it or not.
    """
    even = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(11)).astype(np.float64) / 2.0**53
    drawn: Floats = np.exp(spread * ndtri(np.clip(even, 1e-9, 1 - 1e-9)) - spread**2 / 2)
    return drawn


def behave(
    model: ClickModel, gains: Floats, shown: Flags, rng: np.random.Generator, appeal: Floats | float = 1.0
) -> Behaviour:
    """Draw the clicks, carts and purchases of S searches.

    gains, shown [S, R], place 0 on top; nothing happens where shown is False. appeal [S, R]: factor of the chance that
    a clicked item is put in the cart.
    """
    likely = model.propensities(gains.shape[1])[None, :] * model.attraction(gains)
    clicks = shown & (rng.random(gains.shape) < likely)
    carts = clicks & (rng.random(gains.shape) < model.cart * gains * appeal)
    return Behaviour(clicks, carts, carts & (rng.random(gains.shape) < model.purchase))

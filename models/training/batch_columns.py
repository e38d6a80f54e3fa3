"""The items of a step, each once, and the weight of each as a negative of the step's queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.batches import Known, Rows
from models.training.losses import Objective
from models.training.tiled_loss import Columns


@dataclass(frozen=True)
class Mixture:
    """item [C]: rows of the catalogue, ascending. positive [B]: each pair's column.

    in_batch, uniform, mined [C]: how often a column was drawn as a pair's item, at random from the
    catalogue, and as somebody's hard negative; hard [B, H]: the columns of those. frequency [C]: how much
    oftener than at random an item is drawn as a pair's. known: (row, column) of the known positives, by
    row, the pairs' own among them.
    """

    item: Rows
    positive: Rows
    in_batch: Rows
    uniform: Rows
    mined: Rows
    hard: Rows
    frequency: NDArray[np.float32]
    known: tuple[Rows, Rows]

    def columns(self, objective: Objective, progress: float) -> Columns:
        """What the objective compares; progress: the share of all steps that is done."""
        size, per_query = self.hard.shape
        frequency = self.frequency if objective.logq else np.ones_like(self.frequency)
        easy = objective.in_batch * self.in_batch / frequency + objective.uniform * self.uniform
        seen = size * per_query if objective.reuse else per_query
        weight = objective.hard_weight(float(easy.sum()), seen, progress)
        # only softmax has the pair's own item among its terms
        corrected = objective.logq and objective.kind == "softmax"
        offset = -np.log(frequency[self.positive]) if corrected else np.zeros(size)
        own = self.hard if not objective.reuse else self.hard[:, :0]
        return Columns(
            positive=self.positive,
            easy=easy.astype(np.float32),
            hard=(weight * objective.reuse * self.mined).astype(np.float32),
            offset=offset.astype(np.float32),
            known=self.known,
            own=own,
            own_weight=(weight * ~self._is_known(own)).astype(np.float32),
        )

    def _is_known(self, columns: Rows) -> NDArray[np.bool_]:
        """[B, H]: True where row b knows column columns[b, h]."""
        codes = self.known[0] * len(self.item) + self.known[1]
        wanted = np.arange(len(columns))[:, None] * len(self.item) + columns
        place = np.searchsorted(codes, wanted).clip(max=len(codes) - 1)
        found: NDArray[np.bool_] = codes[place] == wanted
        return found


def mix(query: Rows, item: Rows, uniform: Rows, hard: Rows, known: Known, frequency: NDArray[np.float32]) -> Mixture:
    """Join pairs (query, item) [B], uniform negatives [U] and hard ones [B, H] by item.

    frequency [N] is of every item of the catalogue.
    """
    drawn = np.concatenate([item, uniform, hard.ravel()])
    columns, place = np.unique(drawn, return_inverse=True)
    sides = np.split(place, [len(item), len(item) + len(uniform)])
    in_batch, at_random, mined = (np.bincount(side, minlength=len(columns)) for side in sides)
    rows, hits = known.hits(query, columns)
    # made-up queries are not in the log, but what they were made of is right
    codes = np.concatenate([rows, np.arange(len(query))]) * len(columns)
    codes = np.unique(codes + np.concatenate([hits, sides[0]]))
    return Mixture(
        columns,
        sides[0],
        in_batch,
        at_random,
        mined,
        sides[2].reshape(hard.shape),
        frequency[columns],
        (codes // len(columns), codes % len(columns)),
    )

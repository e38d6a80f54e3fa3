"""Pseudo-positives: items that nobody clicked or judged, and that a cross-encoder takes for right.

RocketQA (Qu et al. 2021, section 4.3) trains its retriever on them beside the pairs that people made.
"""

from __future__ import annotations

import numpy as np

from models.mining.star import IsRight
from models.training.batches import Known, Rows


def pseudo_positives(found: Rows, query: Rows, known: Known, first: int, is_right: IsRight) -> tuple[Rows, Rows]:
    """(place in `query`, item) of the right ones among each query's first candidates that are no known positives.

    found [Q, depth]: items of the query rows [Q], best first, -1 for none. first: candidates that are read.
    """
    unknown = (found >= 0) & ~known.contains(query[:, None], found)
    place, rank = np.nonzero(unknown & (np.cumsum(unknown, axis=1) <= first))
    item = found[place, rank]
    right = is_right(query[place], item) if len(item) else np.zeros(0, np.bool_)
    return place[right], item[right]

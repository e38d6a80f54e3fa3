"""Repeated labels in the rows of a matrix, found by sorting instead of comparing pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def repeats(labels: Rows, first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True where a label repeats in its row; of equal ones those in `first` come before the others."""
    width = labels.shape[1]
    if width < 2:
        return np.zeros(labels.shape, np.bool_)
    # label, `first` and place in one number: sorting a single array is fastest
    codes = (labels * 2 + ~first) * width + np.arange(width)
    codes.sort(axis=1)
    place, label = codes % width, codes // (2 * width)
    repeated = np.zeros(labels.shape, np.bool_)
    in_order = np.zeros(labels.shape, np.bool_)
    in_order[:, 1:] = label[:, 1:] == label[:, :-1]
    np.put_along_axis(repeated, place, in_order, axis=1)
    return repeated


def first_place(title: Rows, row: Rows, other: Rows) -> Rows:
    """The first place at which row `row` of titles [Q, n] holds `other`; beyond all where it does not."""
    span, width = int(max(title.max(initial=0), other.max(initial=0))) + 1, title.shape[1]
    codes = ((np.arange(len(title))[:, None] * span + title) * width + np.arange(width)).ravel()
    codes.sort()
    at = np.searchsorted(codes, (row * span + other) * width).clip(max=len(codes) - 1)
    hit = codes[at] // width == row * span + other
    places: Rows = np.where(hit, codes[at] % width, width)
    return places

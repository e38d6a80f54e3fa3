"""Misspellings: dropped diacritics and single-key slips, on whole arrays of text at once."""

import numpy as np
from numpy.typing import NDArray

from models.simulator.arrays import Ints
from models.simulator.marketplace.counter_rng import below

Text = NDArray[np.str_]
_MARKED, _PLAIN = "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ"
_NEIGHBOURS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopoasdfghjkklxcvbnn", strict=True))
SLIPS = ("swap", "drop", "double", "neighbour")


def _table(keys: str, values: str) -> NDArray[np.uint32]:
    table = np.arange(0x180, dtype=np.uint32)
    table[[ord(key) for key in keys]] = [ord(value) for value in values]
    return table


_DIACRITICS = _table(_MARKED, _PLAIN)
_KEYS = _table("".join(_NEIGHBOURS), "".join(_NEIGHBOURS.values()))


def _points(text: Text) -> NDArray[np.uint32]:
    """Return the code points [n, longest], zero after each text's end."""
    text = np.ascontiguousarray(text)
    width = text.dtype.itemsize // 4
    return text.view(np.uint32).reshape(len(text), width).copy()


def _text(points: NDArray[np.uint32]) -> Text:
    return np.ascontiguousarray(points).view(f"<U{points.shape[1]}").reshape(len(points))


def _mapped(points: NDArray[np.uint32], table: NDArray[np.uint32]) -> NDArray[np.uint32]:
    known = points < len(table)
    return np.where(known, table[np.where(known, points, 0)], points)


def plain(text: Text) -> Text:
    """Return the text without Polish diacritics: "łóżko" as "lozko"."""
    return _text(_mapped(_points(text), _DIACRITICS)) if text.size else text


def slipped(seed: int, numbers: Ints, text: Text) -> Text:
    """Return each text [n] with one slip of the finger inside it, drawn by (seed, number).

    The slip is a swap of two neighbours, a letter left out, one doubled, or the key beside it. The first
    letter is never hit (people see that one), nor texts of fewer than four characters.
    """
    if not text.size:
        return text
    text = text.astype(f"<U{text.dtype.itemsize // 4 + 1}")  # room for the doubled letter
    points = _points(text)
    length = np.strings.str_len(text)
    at = 1 + below(seed, "slip at", numbers, np.maximum(length - 2, 1))
    kind = below(seed, "slip kind", numbers, len(SLIPS))
    place = np.broadcast_to(np.arange(points.shape[1]), points.shape)
    at, kind = at[:, None], kind[:, None]
    source = place.copy()
    source = np.where((kind == 0) & (place == at), at + 1, source)
    source = np.where((kind == 0) & (place == at + 1), at, source)
    source = np.where((kind == 1) & (place >= at), place + 1, source)
    source = np.where((kind == 2) & (place > at), place - 1, source)
    padded = np.concatenate([points, np.zeros((len(points), 2), np.uint32)], axis=1)
    moved = np.take_along_axis(padded, source, axis=1)
    moved = np.where((kind == 3) & (place == at), _mapped(moved, _KEYS), moved)
    short = (length < 4)[:, None]
    return _text(np.where(short, points, moved).astype(np.uint32))

"""The text of an item in plain Python: what sql/items.sql must build for every row."""

from __future__ import annotations

from collections.abc import Mapping

SEPARATOR = " | "


def item_text(title: str, category: str = "", brand: str = "", attributes: Mapping[str, str] | None = None) -> str:
    """Title, category path, brand and attribute values, those that are not empty, separated by ` | `.

    The title comes first because encoders cut at the end; the path loses its ` > `, the attributes their keys
    (people type "red", not "colour: red") and come in the order of the keys.
    """
    values = [value for _, value in sorted((attributes or {}).items())]
    parts = [title, category.replace(" > ", " "), brand, " ".join(filter(None, values))]
    return SEPARATOR.join(filter(None, parts))

"""The text of an item, by hand."""

from __future__ import annotations

import pytest

from jobs.ingest.items import TEXT_TEMPLATE
from tests.models.text.item_text import SEPARATOR, item_text


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("Kubek",), "Kubek"),
        (("Kubek", "Dom > Kuchnia", "Ikea"), "Kubek | Dom Kuchnia | Ikea"),
        # values by key, whatever the order of the map; empty ones say nothing
        (("Kubek", "", "", {"rozmiar": "3", "kolor": "biały", "motyw": ""}), "Kubek | biały 3"),
    ],
)
def test_parts(parts: tuple[str, ...], expected: str) -> None:
    assert item_text(*parts) == expected  # type: ignore[arg-type]


def test_the_template_names_the_parts() -> None:
    assert TEXT_TEMPLATE.split(": ", 1)[1].split(SEPARATOR) == ["title", "category", "brand", "attribute values by key"]

"""What the pages of the Data Docs have in common.

Every page is one file: no script, no font, no picture, no address but those of its neighbours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parents[1]
STYLE = ("quality/data_docs.css", "quality/overview/quality_page.css")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["path"] = _path
    css = "".join((TEMPLATES / name).read_text("utf-8") for name in STYLE)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment.globals["css"] = Markup(css)
    environment.globals["csp"] = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return environment


def html(template: str, values: Mapping[str, Any]) -> str:
    """A page of the site, everything escaped."""
    return _environment().get_template(template).render(values)


def _path(address: str) -> str:
    """A neighbour's address, or a place on the same page."""
    return quote(address, safe="/#")

"""A verdict as a record: what stands in `_verdict.json`, and all that the overview of the Data Docs is made of."""

from __future__ import annotations

import re
from typing import Any, NotRequired, TypedDict

from jobs.lake.manifest import QUARANTINE, Manifest

WORST_FIRST = ("stop", "warn", "pass")
MAX_CHARS = 240
MAX_FINDINGS = 20
# what could break a line, or turn the reading direction of those after it
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
# from the first mark to the last, for a text may hold marks itself; one that is never closed hides the rest
_QUOTED = re.compile(r"(?<!\w)'.*'(?!\w)|\".*\"|`.*`|„.*[”“]|“.*”|«.*»")
_OPEN = re.compile(r"(?:(?<!\w)'|[\"`„“«]).*")


class Account(TypedDict):
    """What became of the rows that came in."""

    unit: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]


class Stated(TypedDict):
    """Counts of a manifest that no row of its table tells.

    masked        kind of personal data -> searches in which it was masked
    days_changed  earlier day -> rows that a log added to it
    drift         stop, warn -> findings on the log's schema; findings: their sentences
    files         reason -> files that were set aside whole
    aside         rows in quarantine
    published_at  when the version was published
    """

    masked: dict[str, int]
    days_changed: dict[str, int]
    drift: dict[str, int]
    findings: list[str]
    files: dict[str, int]
    aside: int
    published_at: str


class Record(TypedDict):
    """`_verdict.json`; figures, accounts and stated are absent from those of older versions."""

    partition: str
    verdict: str
    stops: list[str]
    warns: list[str]
    checks: int
    rows: int
    simulated: bool
    engine: str
    suite_sha256: str
    manifest_sha256: str
    created_at: str
    data_docs: str
    figures: NotRequired[dict[str, float]]
    accounts: NotRequired[list[Account]]
    stated: NotRequired[Stated]


def accounts_of(manifest: Manifest) -> list[Account]:
    """The manifest's row accounts, as they stand there."""
    return [
        {"unit": one.unit, "rows_in": one.rows_in, "rows_out": one.rows_out, "dropped": dict(one.dropped)}
        for one in manifest.accounting
    ]


def stated_of(manifest: Manifest) -> Stated:
    """The manifest's facts that the overview shows: counts, days, and names that this house or a schema gave."""
    facts = manifest.facts
    drift = facts.get("drift") or {}
    quarantined = [entry.rows or 0 for entry in manifest.files if entry.role == QUARANTINE]
    return {
        "masked": _counts(facts.get("masked")),
        "days_changed": _counts(facts.get("days_changed")),
        "drift": {name: int(drift.get(name, 0)) for name in ("stop", "warn")},
        "findings": [plain(str(text)) for text in drift.get("findings", ())][:MAX_FINDINGS],
        "files": _files(facts.get("files_set_aside")),
        "aside": sum(quarantined),
        "published_at": manifest.created_at,
    }


def plain(text: str) -> str:
    """The first line of a text, cut, without what stands in quotation marks: that may have been typed by somebody."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    shown = _OPEN.sub("…", _QUOTED.sub("…", _CONTROL.sub(" ", first))).strip()
    return shown if len(shown) <= MAX_CHARS else f"{shown[:MAX_CHARS]}…"


def _counts(given: Any) -> dict[str, int]:
    return {plain(str(name)): int(number) for name, number in (given or {}).items()}


def _files(given: Any) -> dict[str, int]:
    """Reason -> files. Their names stay in the manifest, which jobs.ingest.replay reads."""
    if isinstance(given, int):
        return {"damaged": given} if given else {}
    found: dict[str, int] = {}
    for one in given or ():
        reason = plain(str(one.get("reason", "damaged"))) if isinstance(one, dict) else "damaged"
        found[reason] = found.get(reason, 0) + 1
    return found

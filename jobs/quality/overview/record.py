"""A verdict as a record: the content of `_verdict.json`, from which the overview of the Data Docs is made."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NotRequired, TypedDict

from jobs.lake.manifest import QUARANTINE, Manifest

WORST_FIRST = ("stop", "warn", "pass")
MAX_CHARS = 240
FRAME = "bulk_action"
MAX_FINDINGS = 20
# characters that break a line, or change the reading direction of those after it
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
# from the first mark to the last, for a text may hold marks itself; one that is never closed hides the rest
_QUOTED = re.compile(r"(?<!\w)'.*'(?!\w)|\".*\"|`.*`|„.*[”“]|“.*”|«.*»")
_OPEN = re.compile(r"(?:(?<!\w)'|[\"`„“«]).*")


class Account(TypedDict):
    """Rows in, rows out, and rows dropped by reason. unit: what a row is (log lines, searches, ...)."""

    unit: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]


class Stated(TypedDict):
    """Counts of a manifest that do not follow from its table's rows.

    masked        kind of personal data -> searches in which it was masked
    days_changed  earlier day -> rows that a log added to it
    drift         stop, warn -> findings on the log's schema; findings: their sentences
    files         reason -> files that were rejected whole
    aside         rejected rows, in quarantine
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
    """The manifest's row accounts, without lines that hold no event."""
    return [
        _of_events(Account(unit=rows.unit, rows_in=rows.rows_in, rows_out=rows.rows_out, dropped=rows.dropped))
        for rows in manifest.accounting
    ]


def as_today(record: Record) -> Record:
    """A record of an older version, its log lines counted as today: without lines that hold no event."""
    accounts = record.get("accounts", [])
    if not any(FRAME in account["dropped"] for account in accounts):
        return record
    accounts = [_of_events(account) for account in accounts]
    figures = dict(record.get("figures", {}))
    for account in accounts:
        name = f"dropped_frac {account['unit'].replace(' ', '_')}"
        figures[name] = sum(account["dropped"].values()) / max(account["rows_in"], 1)
    return {**record, "accounts": accounts, "figures": figures}


def _of_events(account: Account) -> Account:
    """An OpenSearch bulk file has an action line before each event: such a line is no event, and none was lost."""
    dropped = {reason: rows for reason, rows in account["dropped"].items() if reason != FRAME}
    return {**account, "rows_in": account["rows_in"] - account["dropped"].get(FRAME, 0), "dropped": dropped}


def stated_of(manifest: Manifest) -> Stated:
    """The manifest's facts that the overview shows: counts, days, and names that our code or a schema gave."""
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
    """The first line of a text, cut, without quoted passages: somebody may have typed them."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    shown = _OPEN.sub("…", _QUOTED.sub("…", _CONTROL.sub(" ", first))).strip()
    return shown if len(shown) <= MAX_CHARS else f"{shown[:MAX_CHARS]}…"


def _counts(given: Any) -> dict[str, int]:
    return {plain(str(name)): int(number) for name, number in (given or {}).items()}


def _files(given: Any) -> dict[str, int]:
    """Reason -> files. Their names stay in the manifest, which jobs.ingest.replay reads."""
    if isinstance(given, int):
        return {"damaged": given} if given else {}
    reasons = [
        plain(str(file.get("reason", "damaged"))) if isinstance(file, dict) else "damaged" for file in given or ()
    ]
    return dict(Counter(reasons))

"""What a moving name has pointed at: every promotion and every step back, the newest first. Standard library only.

A name is one JSON file, replaced atomically: what it points at now, and what it did before. So a switch is one write,
and no reader meets a name that points at one bundle while its history tells of another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jobs.lake.partitions import spelled_today

KEPT_EVENTS = 200
PROMOTED, ROLLED_BACK = "promoted", "rolled back"


@dataclass(frozen=True)
class Promotion:
    """A version that a name was moved to. how: promoted (forward) or rolled back."""

    partition: str
    attempt: str
    manifest_sha256: str
    content_sha256: str
    at: str = ""
    how: str = PROMOTED
    why: str = ""
    items: int = 0

    @property
    def id(self) -> str:
        """The bundle's id."""
        return self.manifest_sha256[:12]


def parse_name(data: bytes) -> list[Promotion]:
    """The history in a name's file, the newest first: what it points at now."""
    found = json.loads(data)
    older = found.pop("history", [])
    return [Promotion(**{**event, "partition": spelled_today(event["partition"])}) for event in (found, *older)]


def render_name(history: Sequence[Promotion]) -> bytes:
    """A name's file."""
    newest, *older = (asdict(event) for event in history[:KEPT_EVENTS])
    return json.dumps({**newest, "history": older}, indent=1, ensure_ascii=False).encode()


def in_line(history: Sequence[Promotion]) -> list[Promotion]:
    """What serves, then what served before it, each once: where stepping back leads, and leads next.

    What was rolled back from stands in it no more: two steps back end two bundles before, not where
    they began, and the bundle that follows a bad one falls back to what served in between.
    """
    line: list[Promotion] = []
    for event in reversed(history):
        known = [one.id for one in line]
        if event.how == ROLLED_BACK and event.id in known:
            line = line[known.index(event.id) :]
        else:
            line = [event, *(one for one in line if one.id != event.id)]
    return line


def kept(history: Sequence[Promotion]) -> list[Promotion]:
    """Bundles that must stay: the one in service, NIGHTSHELF_KEEP_BUNDLES (3) before it in line, and as
    many that served last whatever became of them."""
    before = max(0, int(os.environ.get("NIGHTSHELF_KEEP_BUNDLES", "3")))
    recent = list(once(history).values())
    chosen = [*in_line(history)[: before + 1], *recent[: before + 1]]
    return list(once(chosen).values())


def once(events: Sequence[Promotion]) -> dict[str, Promotion]:
    """Each bundle by its id, in the order in which they come first."""
    return {event.id: event for event in events}


def find(history: Sequence[Promotion], to: str) -> Promotion:
    """The bundle that `to` means: `previous`, or the first digits of an id.

    Raises:
        LookupError: there is none such, or several.
    """
    if not history:
        raise LookupError("champion: points nowhere yet; `python -m jobs promote --report` moves it first")
    known = once(history)
    if to == "previous":
        line = in_line(history)
        if len(line) < 2:
            raise LookupError(f"previous: nothing served before {line[0].id}; known: {_list(known)}")
        return line[1]
    found = [event for event in known.values() if event.manifest_sha256.startswith(to)]
    if len(found) != 1:
        what = "several promoted bundles begin so" if found else "no promoted bundle begins so"
        told = _list(once(found) or known)
        raise LookupError(f"{to}: {what}: {told}; `python -m jobs promote --list 1` shows more")
    return found[0]


def _list(known: dict[str, Promotion]) -> str:
    return ", ".join(f"{name} of {event.partition}" for name, event in known.items())

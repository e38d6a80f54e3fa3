"""Aliases. An alias such as `search/champion` points at one version of one partition and keeps its history.

An alias belongs to a room: the part before `/`. It is one JSON file that is replaced atomically: what it points at, and
below that every promotion and rollback before, the newest first. So no reader meets an alias whose history disagrees
with what it points at. Lakes from before there were rooms hold `pointers/champion.json`: it is read as
`search/champion`, and its history moves to `pointers/search/champion.json` with the next move.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from jobs.lake import storage as store
from jobs.lake.fault import fault_point
from jobs.lake.locks import file_lock
from jobs.lake.partitions import Partition, lake_root, spelled_today
from jobs.lake.read import Pinned, expired, pin

CHAMPION = "search/champion"
FIRST_ROOM = "search"  # owns the aliases of lakes from before there were rooms
KEPT_EVENTS = 200
PROMOTED, ROLLED_BACK = "promoted", "rolled back"
_WORD = "[a-z][a-z_]{0,63}"
_FILE = re.compile(rf"(?:(?P<room>{_WORD})/)?(?P<name>{_WORD})\.json")


@dataclass(frozen=True)
class Promotion:
    """A version that an alias was moved to. how: promoted (forward) or rolled back."""

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


def move_alias(
    alias: str, pinned: Pinned, how: str = PROMOTED, why: str = "", instead_of: str | None = None
) -> Promotion | None:
    """Point the alias at this version, atomically. Returns what it pointed at before.

    instead_of: sha256 of the manifest that the caller saw in service; empty: it saw none.

    Raises:
        RuntimeError: the alias points at another version by now.
    """
    with _lock(alias):
        history = read_history(alias)
        before = history[0] if history else None
        serving = before.manifest_sha256 if before else ""
        if instead_of is not None and serving != instead_of:
            raise RuntimeError(
                f"{alias}: points at {serving[:12] or 'nothing'} by now, expected"
                f" {instead_of[:12] or 'nothing'}: somebody else moved it; look, and move it again"
            )
        items = int(pinned.facts.get("items", 0))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        event = Promotion(**asdict(pinned.source), at=now, how=how, why=why, items=items)
        fault_point("alias.before_write")
        store.write_bytes(_uri(alias), render_history([event, *history]))
        fault_point("alias.after_write")
        # the whole history is in the new file: readers prefer it, whether this deletion happens or not
        if former := _former_uri(alias):
            store.delete_file(former)
    return before


def read_history(alias: str) -> list[Promotion]:
    """Every version that the alias has pointed at, the current one first. Empty when it never pointed anywhere."""
    # a reader may meet a move between its two looks: the new file is looked for once more
    for uri in (_uri(alias), _former_uri(alias), _uri(alias)):
        with contextlib.suppress(FileNotFoundError):
            if uri:
                return parse_history(store.read_bytes(uri))
    return []


def has_alias(alias: str) -> bool:
    """Whether the alias points anywhere."""
    return bool(read_history(alias))


def pin_alias(alias: str) -> Pinned:
    """Resolve the alias once, and hold that version.

    Raises:
        LookupError: the alias points nowhere yet.
        RuntimeError: the version it points at has changed since.
    """
    history = read_history(alias)
    if not history:
        raise LookupError(
            f"{alias}: points nowhere in the lake at {lake_root()}; "
            f"`make demo`, or `python -m jobs promote --help`, sets it"
        )
    return pin_promoted(history[0])


def pin_promoted(event: Promotion) -> Pinned:
    """Hold the version of a promotion.

    Raises:
        LookupError: it was deleted.
        RuntimeError: its manifest was changed since.
    """
    try:
        pinned = pin(Partition.parse(event.partition), attempt=event.attempt)
    except (FileNotFoundError, NotADirectoryError):
        raise LookupError(
            f"{event.id}: bundle of {event.partition}, promoted {event.at}, was deleted since (kept are the"
            " last NIGHTSHELF_KEEP_BUNDLES, and what that day's partition holds now); take a later one"
        ) from None
    if pinned.manifest_sha256 != event.manifest_sha256:
        raise RuntimeError(
            f"{event.partition}: bundle {event.id} was changed since its promotion, its manifest is"
            f" {pinned.bundle_id} now; take another bundle"
        )
    return pinned


def check_sizes(pinned: Pinned) -> None:
    """Refuse a version with a file that is missing or of another size; `jobs.serving.verify` reads their content.

    Raises:
        RuntimeError: there is such a file.
    """
    sizes = dict(store.list_files(pinned.uri))
    for entry in pinned.manifest.files:
        if (size := sizes.get(entry.name)) != entry.bytes and not expired(pinned.uri, entry):
            state = "is missing" if size is None else f"has {size:,} bytes"
            raise RuntimeError(
                f"{pinned.partition}: bundle {pinned.bundle_id}: {entry.name} {state}, its manifest says"
                f" {entry.bytes:,} bytes; take another bundle"
            )


def all_histories() -> dict[str, list[Promotion]]:
    """The history of every alias of every room: what retention and pruning must not delete follows from these."""
    names = [name for name, _ in store.list_files(f"{lake_root()}/pointers")]
    files = [file for file in map(_FILE.fullmatch, names) if file]
    aliases = sorted({f"{file['room'] or FIRST_ROOM}/{file['name']}" for file in files})
    return {alias: read_history(alias) for alias in aliases}


def parse_history(data: bytes) -> list[Promotion]:
    """The history in an alias's file: the current version first."""
    newest = json.loads(data)
    older = newest.pop("history", [])
    return [Promotion(**{**event, "partition": spelled_today(event["partition"])}) for event in (newest, *older)]


def render_history(history: Sequence[Promotion]) -> bytes:
    """The bytes of an alias's file."""
    newest, *older = (asdict(event) for event in history[:KEPT_EVENTS])
    return json.dumps({**newest, "history": older}, indent=1, ensure_ascii=False).encode()


def rollback_order(history: Sequence[Promotion]) -> list[Promotion]:
    """The bundle in service, then those that steps back lead to, each once.

    A bundle that was rolled back from is not among them: two steps back end two bundles before, not where
    they began, and the bundle that follows a bad one falls back to the one that served in between.
    """
    order: list[Promotion] = []
    for event in reversed(history):
        ids = [earlier.id for earlier in order]
        if event.how == ROLLED_BACK and event.id in ids:
            order = order[ids.index(event.id) :]
        else:
            order = [event, *(earlier for earlier in order if earlier.id != event.id)]
    return order


def protected(history: Sequence[Promotion]) -> list[Promotion]:
    """Bundles that must not be deleted.

    These are the bundle in service, the NIGHTSHELF_KEEP_BUNDLES (3) before it in rollback order, and as many that
    served last, rolled back from or not.
    """
    before = max(0, int(os.environ.get("NIGHTSHELF_KEEP_BUNDLES", "3")))
    recent = list(by_id(history).values())
    chosen = [*rollback_order(history)[: before + 1], *recent[: before + 1]]
    return list(by_id(chosen).values())


def by_id(events: Sequence[Promotion]) -> dict[str, Promotion]:
    """Each bundle by its id, in the order of first appearance."""
    return {event.id: event for event in events}


def find_promotion(alias: str, history: Sequence[Promotion], to: str) -> Promotion:
    """The bundle that `to` names: `previous`, or the first digits of an id.

    Raises:
        LookupError: no bundle matches, or several do.
    """
    if not history:
        raise LookupError(f"{alias}: points nowhere yet; `python -m jobs promote --report` moves it first")
    bundles = by_id(history)
    if to == "previous":
        order = rollback_order(history)
        if len(order) < 2:
            raise LookupError(f"previous: nothing served before {order[0].id}; known: {_list(bundles)}")
        return order[1]
    matches = [event for event in bundles.values() if event.manifest_sha256.startswith(to)]
    if len(matches) != 1:
        reason = "several promoted bundles begin so" if matches else "no promoted bundle begins so"
        raise LookupError(
            f"{to}: {reason}: {_list(by_id(matches) or bundles)}; `python -m jobs promote --alias {alias} --list 1`"
            " shows more"
        )
    return matches[0]


def _list(bundles: dict[str, Promotion]) -> str:
    return ", ".join(f"{name} of {event.partition}" for name, event in bundles.items())


def _uri(alias: str) -> str:
    if not re.fullmatch(f"{_WORD}/{_WORD}", alias, re.ASCII):
        raise ValueError(f"{alias!r} is no alias: expected a room and a name in small letters, such as {CHAMPION}")
    return f"{lake_root()}/pointers/{alias}.json"


def _former_uri(alias: str) -> str:
    """The file of the same alias in a lake from before there were rooms; empty for other rooms."""
    room, _, name = alias.partition("/")
    return f"{lake_root()}/pointers/{name}.json" if room == FIRST_ROOM else ""


@contextlib.contextmanager
def _lock(alias: str) -> Iterator[None]:
    """Keep other movers out for the milliseconds of a move.

    An object store has no lock; there the DAGs' task `turn` keeps movers apart.
    """
    uri = _uri(alias)
    if not store.is_local(uri):
        yield
        return
    path = store.local_path(uri)
    with file_lock(path.with_name(f".{path.stem}.lock")):
        for left in path.parent.glob(f".{path.name}.*"):  # of a mover that was killed
            left.unlink(missing_ok=True)
        yield

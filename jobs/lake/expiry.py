"""A quarantine whose days are over: its files are gone, the manifest that lists them never changes."""

from __future__ import annotations

from jobs.lake import storage as store
from jobs.lake.manifest import EXPIRED, QUARANTINE, FileEntry


def expired(uri: str, entry: FileEntry) -> bool:
    """Whether a listed file is one of a quarantine that jobs.privacy.retention has deleted since."""
    return entry.role == QUARANTINE and store.is_file(f"{uri}/{EXPIRED}")


def refuse_expired(partition: str, uri: str, entry: FileEntry) -> None:
    """Say of a missing file that nothing is damaged, where that is so.

    Raises:
        LookupError: it belongs to a quarantine whose days are over.
    """
    if expired(uri, entry):
        raise LookupError(
            f"{partition}: {entry.name} was deleted by jobs.privacy.retention, its days are over; deliver the day"
            " again to have its rejected rows back"
        )

"""Publishing a partition: a fresh attempt folder, files, fsync, manifest, and one pointer last.

No manifest, no partition. A job killed anywhere leaves yesterday's version in place and a folder that nobody reads,
which the next attempt removes. One writer at a time holds the partition's lock.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake import storage as store
from jobs.lake.attempt import Attempt
from jobs.lake.fault import fault_point
from jobs.lake.lock import locked
from jobs.lake.partitions import Partition
from jobs.lake.prune import current, prune
from jobs.lake.read import Pinned, attempt_uri
from jobs.lake.seal import seal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)


@contextlib.contextmanager
def publish(partition: Partition, args: DataclassInstance, inputs: Sequence[Pinned] = ()) -> Iterator[Attempt]:
    """Open an attempt; what is in it when the block ends without an error becomes the partition.

    Raises:
        BlockingIOError: another process is writing the same partition; it passes, so Airflow tries again.
    """
    started = time.monotonic()
    with locked(partition.uri, str(partition)), contextlib.ExitStack() as stack:
        prune(partition)
        attempt = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        uri = attempt_uri(partition, attempt)
        local = store.is_local(uri)
        folder = (
            store.local_path(uri)
            if local
            else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightshelf-")))
        )
        folder.mkdir(parents=True, exist_ok=True)
        fault_point("publish.started")
        out = Attempt(partition, folder, uri, inputs)
        try:
            yield out
            out.manifest = seal(out, args, attempt, time.monotonic() - started)
        except BaseException:
            if attempt not in current(partition):  # nobody has seen it
                store.delete_folder(uri)
            raise
        log.info("%s: %s published", partition, out.manifest.size())

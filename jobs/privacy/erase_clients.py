"""Delete all rows of clients who asked for it, for good.

python -m jobs erase --erasures erasures/ds=2026-01-31 --client_file ids.txt      the shop's own ids, one a line
python -m jobs erase --erasures erasures/ds=2026-01-31 --clients 9f86d081884c...   keyed hashes, as the tables have them

The list of the day is written first: from then on no job takes up the clients again, even if the shop delivers a day
once more. Then every version of every table with rows of people is published without theirs, or deleted. Counts over
many people (click_counts, pairs) and what was trained stay: nobody can be told from them.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa

from jobs.ingest.hashing_secret import hashing_secret
from jobs.lake import storage as store
from jobs.lake.erasures import LIST
from jobs.lake.fault import fault_point
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs, ZeroOrOne
from jobs.platform.spark_udfs import clean_ids
from jobs.privacy.client_rows import count, erase_from, partitions_of_people, versions
from jobs.privacy.deletion_log import DeletionLog, rows_of_clients
from jobs.privacy.raw_records import Erased

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """erasures     output: the record of the day; clients of earlier calls on that day stay in it
    clients      keyed hashes (64 hexadecimal digits), separated by commas
    client_file  a local file with the shop's ids of clients or customers, one a line; the ids are stored nowhere
    dry_run      1: count what would go; delete nothing, write nothing
    """

    erasures: Partition
    clients: str = ""
    client_file: str = ""
    dry_run: ZeroOrOne = 0

    def __post_init__(self) -> None:
        if strange := [each for each in self.hashes if not re.fullmatch(r"[0-9a-f]{64}", each)]:
            raise ValueError(
                f"clients: found {len(strange)} that are no keyed hash, expected 64 hexadecimal digits each; the shop's"
                " own ids go into a file: --client_file"
            )

    @property
    def hashes(self) -> list[str]:
        """The hashes that were given."""
        return [each.strip() for each in self.clients.split(",") if each.strip()]


def main(args: Args) -> dict[str, object]:
    """List, delete, audit, publish the record.

    Raises:
        BlockingIOError: a partition is being written; do it again.
        RuntimeError: rows are left.
        ValueError: nobody is named.
    """
    erased = Erased(frozenset(_clients(args)), hashing_secret())
    people = list(partitions_of_people())
    if args.dry_run:
        planned = {str(at): count(pin(at, even_stopped=True), erased) for at in people}
        return {"clients": len(erased.hashes), "would_delete": {at: rows for at, rows in planned.items() if rows}}
    uri = f"{args.erasures.uri}/{LIST}"
    store.write_bytes(uri, json.dumps(sorted(erased.hashes)).encode())
    fault_point("erase.listed")
    deletions = DeletionLog(args.erasures)
    # the raw zone first names the searches and sessions of the clients, which rejected lines may have alone
    for at in reversed(people):
        if found := [pinned for pinned in versions(at) if count(pinned, erased)]:
            deletions.add(rows_of_clients(found))
    for at in people:
        if rows := erase_from(at, args, erased):
            log.info("%s: %s rows deleted", at, f"{rows:,}")
    _audit(args.erasures, people, erased)
    fault_point("erase.audited")
    with publish(args.erasures, args) as out:
        deleted = Counter(row["name"].partition("/")[0] for row in deletions.rows)
        (out.folder / "erasure.json").write_bytes(_record(erased, deletions))
        out.facts |= {"clients": len(erased.hashes), "versions": dict(deleted)}
    return {"erasures": str(args.erasures), "clients": len(erased.hashes), "versions": dict(deleted)}


def _clients(args: Args) -> set[str]:
    """Hashes of this call, and of those on the same day that may not have ended."""
    uri, secret = f"{args.erasures.uri}/{LIST}", hashing_secret()
    known = set(json.loads(store.read_bytes(uri))) if store.is_file(uri) else set()
    ids = Path(args.client_file).read_text("utf-8-sig").splitlines() if args.client_file else []
    given = {each.strip() for each in ids if each.strip()}
    # an id as a log has it, and a customer of orders: 17850.0 is 17850
    spelled = given | {str(each) for each in clean_ids(pa.array(sorted(given), pa.string())).to_pylist()}
    clients = known | set(args.hashes) | {Erased.hash_of(secret, each) for each in spelled}
    if not clients:
        raise ValueError(f"{args.erasures}: nobody is named; expected --clients or --client_file")
    return clients


def _audit(target: Partition, people: list[Partition], erased: Erased) -> None:
    """Look through every version that is there now, whatever was to be deleted."""
    left = [
        f"{pinned.partition} {pinned.manifest.attempt}"
        for at in people
        for pinned in versions(at)
        if count(pinned, erased)
    ]
    if left:
        raise RuntimeError(
            f"{target}: {len(left)} versions still have rows of the clients, expected none: {', '.join(left[:20])};"
            " an alias may hold them, or a job published meanwhile; do it again"
        )


def _record(erased: Erased, deletions: DeletionLog) -> bytes:
    """Canonical bytes of the record: keyed hashes, addresses and counts."""
    record = {"clients": sorted(erased.hashes), "deleted": deletions.rows}
    return json.dumps(record, indent=1, sort_keys=True).encode()

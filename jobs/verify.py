"""Check a published bundle as a service would before it takes it.

python -m jobs.verify index/ds=2026-01-31/towers=7f3a5c1e9b2d4a60
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from typing import Any

from jobs.bundle import load_bundle, own_vector_frac
from jobs.bundle_files import CANARIES_FILE
from jobs.cli import run
from jobs.lake import NOWHERE, Partition
from jobs.pointer import read_pointer
from jobs.reading import pin

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Args:
    """index  bundle to check; the champion when it is not given"""

    index: Partition = NOWHERE


def main(args: Args) -> dict[str, Any]:
    """Check every file's sha256, the space ids, the counts, golden vectors, and sampled items.

    Raises:
        RuntimeError: something does not hold; the message says what.
    """
    pinned = pin(args.index) if args.index else read_pointer("champion")
    files = pinned.files()
    bundle = load_bundle(pinned)
    canaries: dict[str, str] = json.loads(pinned.path(CANARIES_FILE).read_bytes())
    share = own_vector_frac(bundle, list(canaries), list(canaries.values()))
    if share < 1:
        raise RuntimeError(
            f"{pinned.partition}: {share:.1%} of {len(canaries)} sampled items have the vector of"
            " their own text; ids and vectors do not belong together: build the index again"
        )
    found = {"index": str(pinned.partition), "files": len(files), "items": bundle.facts["items"]}
    log.info("%s: sound", pinned.partition)
    return {**found, "space_id": bundle.facts["space_id"], "sound": True}


if __name__ == "__main__":
    if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):  # the address alone will do
        sys.argv.insert(1, "--index")
    run(Args, main)

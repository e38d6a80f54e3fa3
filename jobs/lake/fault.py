"""Named points where a test kills a job as a power cut would: NIGHTSHELF_FAULT=publish.before_pointer.

`towers.step:3` kills at the third time that the point is passed.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = (
    "publish.started",
    "publish.files_written",
    "publish.before_pointer",
    "publish.after_pointer",
    "alias.before_write",
    "store.before_rename",
    "alias.after_write",
    "migrate.renamed",
    "towers.step",
    "ranker.step",
    "sweep.command",
    "pretrain.step",
    "cross_encoder.step",
    "refresh.step",
    "negatives.items",
    "negatives.block",
    "trained_index.tuned",
    "codes.chunk",
    "index.merged",
    "embeddings.taken_over",
    "embeddings.encoded",
    "embeddings.written",
    "embeddings.checked",
    "retention.planned",
    "retention.pointer",
    "retention.manifest",
    "retention.attempt",
    "retention.partition",
    "retention.expired",
    "retention.home",
    "retention.audited",
    "erase.listed",
    "erase.published",
    "erase.partition",
    "erase.audited",
)
_passed: Counter[str] = Counter()


def fault_point(point: str) -> None:
    """SIGKILL this process when the environment names this point; nothing otherwise."""
    name, _, time = os.environ.get("NIGHTSHELF_FAULT", "").partition(":")
    if name != point:
        return
    _passed[point] += 1
    if _passed[point] >= int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)

"""The processes of one training, as torchrun or Spark started them; or this process alone.

torchrun --nproc-per-node=2 -m jobs towers --pairs ...

The first process reads, evaluates, writes and prints the result; the others only train.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from models.training.distributed import ProcessGroup

# the others wait while the first one evaluates an epoch on the whole catalogue
PATIENCE = timedelta(hours=2)


@contextmanager
def processes() -> Iterator[ProcessGroup]:
    """Join the other processes: NCCL where each has its own GPU, gloo elsewhere."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield ProcessGroup()
    finally:
        dist.destroy_process_group()


def device() -> torch.device:
    """The device of this process."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")

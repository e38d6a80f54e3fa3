"""Training on Spark's executors, one process on each, started by Spark's TorchDistributor as torchrun does on hosts.

    NIGHTSHELF_PROCESSES=8 python -m jobs.towers.spark_launcher towers --pairs pairs/ds=2026-01-31 ...

All flags after the command's name are the command's. NIGHTSHELF_SPARK_MASTER names the master; on a local one the processes
run beside the driver. With GPUs each process takes the one that Spark's resource scheduling gives it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs.platform.spark import spark_session

LAUNCHER = Path(__file__).resolve().parents[1] / "__main__.py"


def main(argv: list[str]) -> None:
    """Run a training job in NIGHTSHELF_PROCESSES processes (2); the first one prints its result.

    Raises:
        RuntimeError: a process failed; the message ends with its output.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    with spark_session("training") as spark:
        context = spark.sparkContext
        distributor = TorchDistributor(
            num_processes=int(os.environ.get("NIGHTSHELF_PROCESSES", "2")),
            local_mode=str(context.master).startswith("local"),
            use_gpu=context.getConf().get("spark.executor.resource.gpu.amount") is not None,
        )
        distributor.run(str(LAUNCHER), *argv)


if __name__ == "__main__":
    main(sys.argv[1:])

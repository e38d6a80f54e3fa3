"""The one setting that says where jobs run: NIGHTSHELF_RUNNER=local, spark_submit or kubernetes.

local         every job is a process of the Airflow worker
spark_submit  Spark jobs go to NIGHTSHELF_SPARK_MASTER through spark-submit, the rest stay local
kubernetes    every job is a pod of the image NIGHTSHELF_IMAGE, see dags/pods.py

A DAG says only *which* job: `job("pairs", impressions=..., pairs=...)`; a keyword is a flag is a field of the job's Args.
"""

from __future__ import annotations

import os
import shlex

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from dags.operators import JobOperator, ReadySensor
from dags.pods import pod, pods
from jobs.lake.partitions import Partition

RUNNERS = ("local", "spark_submit", "kubernetes")
ENGINES = ("process", "torchrun", "spark")
# jobs that may take several processes, and the setting that says so
SHARED = {"towers": "NIGHTSHELF_TRAINER", "embeddings": "NIGHTSHELF_ENCODER"}
SPARK_JOBS = frozenset({"items", "impressions", "click_counts", "propensities", "queries", "pairs", "qrels"})
# codes and the trained index take one only where there are many to give: NIGHTSHELF_GPU_JOBS says so
GPU_JOBS = "prodbert,towers,negatives,refresh,embeddings"
# spark-submit takes a file, a job is a module of a package: this file runs the one as the other.
LAUNCHER = "jobs/__main__.py"
Value = Partition | str | int


def runner() -> str:
    """The runner that the environment asks for.

    Raises:
        ValueError: there is no such runner.
    """
    found = os.environ.get("NIGHTSHELF_RUNNER", "local")
    if found not in RUNNERS:
        raise ValueError(f"NIGHTSHELF_RUNNER={found!r}: expected one of {', '.join(RUNNERS)}")
    return found


def job(name: str, task_id: str = "", /, **flags: Value) -> BaseOperator:
    """A task that runs jobs/<name>.py with these flags where the runner says.

    The pool follows from the job: `spark` for Spark, `gpu` for training, mining and embedding.
    """
    task_id, pool = task_id or name, pool_of(name)
    if runner() == "kubernetes":
        return pod(name, words(flags), gpu=on_gpu(name), task_id=task_id, pool=pool)
    return JobOperator(argv=argv(name, flags), task_id=task_id, pool=pool)


def job_each(name: str, task_id: str, words_of: XComArg, named: str) -> MappedOperator:
    """A task for each list of words that an earlier task printed: `--flag value ...`, as for `job`.

    named: the flag whose value a task goes by in the UI.
    """
    if runner() == "kubernetes":
        label = value_of("task.arguments", named)
        return pods(name, words_of, label, task_id=task_id, pool="gpu")
    head = JobOperator.partial(
        task_id=task_id, pool="gpu", argv=argv(name, {}), map_index_template=value_of("task.more", named)
    )
    return head.expand(more=words_of)


def value_of(words: str, flag: str) -> str:
    """The value behind a flag in a task's words, as a template."""
    return f"{{{{ {words}[{words}.index('--{flag}') + 1] }}}}"


def wait_for(*partitions: Partition, hours: int, gated: bool, task_id: str = "wait") -> ReadySensor:
    """A sensor for published partitions; gated: they must have passed their data-quality gate too.

    It asks on the Airflow worker under every runner: a pod for each look would cost more than the look.
    """
    flags: dict[str, Value] = {"partitions": ",".join(map(str, partitions)), "gated": int(gated)}
    return ReadySensor(argv=argv("ready", flags), hours=hours, task_id=task_id)


def argv(name: str, flags: dict[str, Value]) -> list[str]:
    """The command of a job: a list, so that no value can be more than one word."""
    more: dict[str, Value] = {"engine": "spark", "tasks": processes()} if on_executors(name) else {}
    given = words({**flags, **more})
    if runner() == "spark_submit" and (name in SPARK_JOBS or more):
        return [*spark_submit(name), LAUNCHER, name, *given]
    return [*start(name), *given]


def start(name: str) -> list[str]:
    """The start of a command: one process, or torchrun with the words of NIGHTSHELF_TORCHRUN, or a training on Spark's
    executors, as NIGHTSHELF_TRAINER and NIGHTSHELF_ENCODER say."""
    if engine(name) == "torchrun":
        how = os.environ.get("NIGHTSHELF_TORCHRUN", "--standalone --nproc-per-node=auto")
        return ["torchrun", *shlex.split(how), "-m", "jobs", name]
    if engine(name) == "spark" and not on_executors(name):
        return ["python", "-m", "jobs.towers.spark_launcher", name]
    return ["python", "-m", "jobs", name]


def engine(name: str) -> str:
    """Whether a job is one process, several of torchrun's or several on Spark.

    Raises:
        ValueError: its setting has another value.
    """
    setting = SHARED.get(name, "")
    found = os.environ.get(setting, "process") if setting else "process"
    if found not in ENGINES:
        raise ValueError(f"{setting}={found!r}: expected one of {', '.join(ENGINES)}")
    return found


def on_executors(name: str) -> bool:
    """Whether Spark's tasks encode: the job itself is then their driver, and a flag says so."""
    return name == "embeddings" and engine(name) == "spark"


def processes() -> int:
    """Processes of a training, or tasks of an embedding, on Spark."""
    return int(os.environ.get("NIGHTSHELF_PROCESSES", "2"))


def words(flags: dict[str, Value]) -> list[str]:
    """`--name value` for every flag, in the order given."""
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


def spark_submit(name: str) -> list[str]:
    """spark-submit up to the file: NIGHTSHELF_SPARK_MASTER, then whatever NIGHTSHELF_SPARK_ARGS adds.

    Client mode: the driver runs here, so its last line is the task's result. The session's own settings (time zone,
    ANSI, ...) come from jobs/spark.py, not from the command line.
    """
    master = os.environ.get("NIGHTSHELF_SPARK_MASTER", "local[*]")
    more = shlex.split(os.environ.get("NIGHTSHELF_SPARK_ARGS", ""))
    return ["spark-submit", "--master", master, "--deploy-mode", "client", "--name", f"nightshelf {name}", *more]


def pool_of(name: str) -> str:
    """The pool whose slots this job competes for."""
    if name in SPARK_JOBS:
        return "spark"
    return "gpu" if on_gpu(name) else "default_pool"


def on_gpu(name: str) -> bool:
    """Whether a job competes for a GPU, and is given one on Kubernetes."""
    return name in os.environ.get("NIGHTSHELF_GPU_JOBS", GPU_JOBS).split(",")

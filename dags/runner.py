"""Tasks from commands. NIGHTSHELF_RUNNER decides where they run: local, spark_submit or kubernetes.

local         every command is a process of the Airflow worker
spark_submit  Spark commands go to NIGHTSHELF_SPARK_MASTER through spark-submit, the rest stay local
kubernetes    every command is a pod of the image NIGHTSHELF_IMAGE, see dags/pods.py

A DAG only names the command: `job("pairs", click_counts=..., pairs=...)`. A keyword is a flag, a field of its `Args`.
"""

from __future__ import annotations

import json
import os
import re
import shlex

from airflow.sdk import DAG, BaseOperator, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from dags.day import DAY
from dags.operators import JobOperator, ReadySensor, TurnSensor
from dags.pods import pod, pods
from jobs.lake.commands import is_command
from jobs.lake.partitions import Partition, Table

RUNNERS = ("local", "spark_submit", "kubernetes")
ENGINES = ("process", "torchrun", "spark")
# commands that several processes may share, and the setting that decides
SHARED = {"towers": "NIGHTSHELF_TRAINER", "embeddings": "NIGHTSHELF_ENCODER"}
SPARK_JOBS = frozenset(
    {
        "items",
        "impressions",
        "session_events",
        "click_counts",
        "propensities",
        "item_features",
        "queries",
        "pairs",
        "qrels",
    }
) | {"holdout_sessions", "session_items", "co_occurrences", "listings"}
# where GPUs abound, NIGHTSHELF_GPU_JOBS may add trained_index and codes
GPU_JOBS = "prodbert,towers,cross_encoder,negatives,refresh,embeddings"
# spark-submit takes a file and not a module: this file runs the commands
LAUNCHER = "jobs/__main__.py"
Value = Partition | str | int


def runner() -> str:
    """The runner that NIGHTSHELF_RUNNER names.

    Raises:
        ValueError: there is no such runner.
    """
    return _chosen("NIGHTSHELF_RUNNER", "local", RUNNERS)


def _chosen(setting: str, default: str, choices: tuple[str, ...]) -> str:
    """The value of an environment variable, checked."""
    value = os.environ.get(setting, default)
    if value not in choices:
        raise ValueError(f"{setting}={value!r}: expected one of {', '.join(choices)}")
    return value


def job(name: str, task_id: str = "", /, **flags: Value) -> BaseOperator:
    """A task that runs a command with these flags, where the runner says.

    The pool follows from the command: `spark` for Spark, `gpu` for training, mining and embedding.
    """
    task_id, pool = task_id or name, pool_of(name)
    if runner() == "kubernetes":
        return pod(name, words(flags), gpu=on_gpu(name), task_id=task_id, pool=pool)
    return JobOperator(argv=argv(name, flags), task_id=task_id, pool=pool)


def job_each(name: str, task_id: str, arguments_of: XComArg, label_flag: str) -> MappedOperator:
    """A task for each list of arguments that an earlier task printed: `--flag value ...`, as for `job`.

    label_flag: the flag whose value labels a task in the UI.
    """
    if runner() == "kubernetes":
        label = value_of("task.arguments", label_flag)
        return pods(name, arguments_of, label, task_id=task_id, pool="gpu")
    head = JobOperator.partial(
        task_id=task_id, pool="gpu", argv=argv(name, {}), map_index_template=value_of("task.more", label_flag)
    )
    return head.expand(more=arguments_of)


def check_settings(dag: DAG) -> BaseOperator:
    """A task that asks the commands of all tasks so far whether they take their settings, before anything dear starts.

    What an earlier task's result or a condition decides is left out.
    """
    listed = ", ".join(f"[{', '.join(map(_expression, spoken(task)))}]" for task in dag.tasks if spoken(task))
    return job("check", commands=f"{{{{ [{listed}] | tojson }}}}")


def spoken(task: object) -> list[str]:
    """The command of a task and its flags, under every runner; empty for other tasks, and for mapped ones."""
    words = list(getattr(task, "arguments", ()))  # of a pod
    argv = list(getattr(task, "argv", ()))
    starts = [at + 1 for at, word in enumerate(argv) if word in ("jobs", "jobs.towers.spark_launcher", LAUNCHER)]
    return words or (argv[starts[0] :] if starts else [])


def _expression(word: str) -> str:
    """A word of a command line, which may hold templates, as one Jinja expression."""
    if "xcom_pull" in word or "{%" in word:
        return "none"
    texts = re.split(r"\{\{(.*?)\}\}", word)
    return " ~ ".join(f"({text})" if at % 2 else json.dumps(text) for at, text in enumerate(texts))


def value_of(arguments: str, flag: str) -> str:
    """The value of a flag among a task's arguments, as a template."""
    return f"{{{{ {arguments}[{arguments}.index('--{flag}') + 1] }}}}"


def take_turn(last: str, waited: str = "wait") -> TurnSensor:
    """A sensor behind the task `waited`: runs of one DAG go on one at a time, the earliest day first, up to the task `last`.

    A run that still waits for its partitions holds nobody back, which `max_active_runs=1` would. As a setup task it is
    cleared with each task behind it, so that a run of which something is cleared takes its turn again.
    """
    turn = TurnSensor(task_id="turn", day=DAY, last=last, waited=waited)
    turn.is_setup = True
    return turn


def wait_for(*partitions: Partition, hours: int, gated: bool, task_id: str = "wait") -> ReadySensor:
    """A sensor for published partitions; gated: they must have passed their data-quality gate too.

    It runs on the Airflow worker under every runner: a pod for each check would cost more than the check.
    """
    flags: dict[str, Value] = {"partitions": ",".join(map(str, partitions)), "gated": int(gated)}
    return ReadySensor(argv=argv("ready", flags), hours=hours, task_id=task_id)


def of_day(*tables: Table) -> dict[str, Partition]:
    """Table name -> its partition of DAY, as flags of a command."""
    return {table.name: table.at(ds=DAY) for table in tables}


def listed(*tables: Table) -> str:
    """Addresses of the tables' partitions of DAY, separated by commas."""
    return ",".join(map(str, of_day(*tables).values()))


def argv(name: str, flags: dict[str, Value]) -> list[str]:
    """The command line of a task: a list, so that no value can become two arguments."""
    more: dict[str, Value] = {"engine": "spark", "tasks": processes()} if on_executors(name) else {}
    given = words({**flags, **more})
    if runner() == "spark_submit" and (name in SPARK_JOBS or more):
        return [*spark_submit(name), LAUNCHER, name, *given]
    return [*start(name), *given]


def start(name: str) -> list[str]:
    """The start of a command line: one process, torchrun with the arguments of NIGHTSHELF_TORCHRUN, or a training on
    Spark's executors, as NIGHTSHELF_TRAINER and NIGHTSHELF_ENCODER say."""
    if engine(name) == "torchrun":
        options = os.environ.get("NIGHTSHELF_TORCHRUN", "--standalone --nproc-per-node=auto")
        return ["torchrun", *shlex.split(options), "-m", "jobs", name]
    if engine(name) == "spark" and not on_executors(name):
        return ["python", "-m", "jobs.towers.spark_launcher", name]
    return ["python", "-m", "jobs", name]


def engine(name: str) -> str:
    """Whether a command runs as one process, as several of torchrun, or on Spark.

    Raises:
        ValueError: its setting has another value.
    """
    return _chosen(SHARED[name], "process", ENGINES) if name in SHARED else "process"


def on_executors(name: str) -> bool:
    """Whether Spark's tasks encode; the command itself is then their driver, and a flag says so."""
    return name == "embeddings" and engine(name) == "spark"


def processes() -> int:
    """Processes of a training, or tasks of an embedding, on Spark."""
    return int(os.environ.get("NIGHTSHELF_PROCESSES", "2"))


def words(flags: dict[str, Value]) -> list[str]:
    """`--name value` for every flag, in the order given."""
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


def spark_submit(name: str) -> list[str]:
    """spark-submit up to the file: NIGHTSHELF_SPARK_MASTER, then the arguments of NIGHTSHELF_SPARK_ARGS.

    Client mode: the driver runs here, so its last line is the task's result. The session's own settings (time zone,
    ANSI, ...) come from jobs/platform/spark.py, not from the command line.
    """
    master = os.environ.get("NIGHTSHELF_SPARK_MASTER", "local[*]")
    more = shlex.split(os.environ.get("NIGHTSHELF_SPARK_ARGS", ""))
    return ["spark-submit", "--master", master, "--deploy-mode", "client", "--name", f"nightshelf {name}", *more]


def pool_of(name: str) -> str:
    """The pool whose slots a command takes."""
    if name in SPARK_JOBS:
        return "spark"
    return "gpu" if on_gpu(name) else "default_pool"


def on_gpu(name: str) -> bool:
    """Whether a command runs in the pool `gpu`, and gets a GPU on Kubernetes.

    Raises:
        ValueError: NIGHTSHELF_GPU_JOBS names a command that does not exist.
    """
    names = [each.strip() for each in os.environ.get("NIGHTSHELF_GPU_JOBS", GPU_JOBS).split(",") if each.strip()]
    if strange := [each for each in names if not is_command(each)]:
        raise ValueError(f"NIGHTSHELF_GPU_JOBS: {', '.join(strange)} is no command; expected names such as {GPU_JOBS}")
    return name in names

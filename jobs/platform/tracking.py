"""MLflow: one experiment per room, params spelled as in Args, inputs with their manifest hashes.

MLFLOW_TRACKING_URI names the store; by default an SQLite file under NIGHTSHELF_HOME. Big files (embeddings, index)
stay in the lake: MLflow gets a pointer with checksums.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.attempt import spelled
from jobs.lake.locks import file_lock
from jobs.lake.manifest import code_version
from jobs.lake.partitions import lake_root, table_folder, trials_root
from jobs.lake.read import Pinned, read_verdict
from jobs.lake.storage import is_local, local_path

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


def home() -> Path:
    """The folder of this machine for everything but the lake: MLflow's embedded store, checkpoints, Airflow's home."""
    return Path(os.environ.get("NIGHTSHELF_HOME", "var")).absolute()


def trials_folder() -> str:
    """The folder that holds the lakes of trials."""
    return trials_root() or str(home() / "trials")


def lakes() -> Iterator[str]:
    """The lake, then every folder of trials that holds tables, in order."""
    yield lake_root()
    if is_local(trials_folder()):
        for folder, folders, _ in os.walk(local_path(trials_folder())):
            if any(map(table_folder, folders)):
                yield folder
            folders[:] = sorted(name for name in folders if not table_folder(name))


def tracking_uri() -> str:
    """The MLflow store that every job writes to."""
    return os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{home()}/mlflow.db")


def client() -> MlflowClient:
    """An MLflow client on an up-to-date store."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri())
    api = mlflow.MlflowClient()
    # four processes that meet an empty SQLite file damage it for good, so the first makes the tables alone
    with file_lock(home() / "mlflow.lock"):
        api.search_experiments(max_results=1)
    return api


class MlflowRun:
    """An open mlflow_run; figures go to it by name and step."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client = client
        self.id = run_id

    def measures(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log figures at a step, in one request; `@` in R@60 becomes `_at_`, which MLflow allows."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(metric_name(name), float(value), now, step) for name, value in values.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a small file (a report, a plot)."""
        self.client.log_artifact(self.id, str(path), folder or None)

    def text(self, text: str, name: str) -> None:
        """Log a text as a file."""
        self.client.log_text(self.id, text, name)

    def output(self, files: Mapping[str, str], uri: str) -> None:
        """Log a pointer to what stays in the lake: where, and the sha256 of each file."""
        self.text(json.dumps({"uri": uri, "sha256": dict(files)}, indent=1), "output.json")

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, for searching in the UI."""
        for name, value in values.items():
            self.client.set_tag(self.id, name, value)


def metric_name(name: str) -> str:
    """MLflow's spelling of a measure: R_at_60 for R@60."""
    return name.replace("@", "_at_")


def _experiment_id(client: MlflowClient, room: str) -> str:
    from mlflow.exceptions import MlflowException

    if experiment := client.get_experiment_by_name(room):
        return str(experiment.experiment_id)
    location = None if "MLFLOW_TRACKING_URI" in os.environ else (home() / "mlflow" / room).as_uri()
    try:
        return str(client.create_experiment(room, artifact_location=location))
    except MlflowException:  # another job made it in between
        return _experiment_id(client, room)


def quality_pages(inputs: Sequence[Pinned]) -> dict[str, str]:
    """data_quality.pairs -> data_docs/...: the page of an input's checks, relative to the reports' site."""
    pages: dict[str, str] = {}
    for pinned in inputs:
        page = read_verdict(pinned).get("data_docs")
        if page:  # of several partitions of a table, such as shards, the first
            pages.setdefault(f"data_quality.{pinned.partition.name}", f"data_docs/{page}")
    return pages


@contextmanager
def mlflow_run(
    room: str, args: DataclassInstance, inputs: Sequence[Pinned] = (), name: str = ""
) -> Iterator[MlflowRun]:
    """One mlflow_run for one job; it ends FINISHED, or FAILED when the block raises.

    NIGHTSHELF_PARENT_RUN names the mlflow_run that it is a child of, and whose experiment it joins.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

    api = client()
    simulated = any(pinned.manifest.simulated for pinned in inputs)
    tags = {"mlflow.runName": name or room, "code_version": code_version(), "simulated": str(simulated).lower()}
    if dag_run := os.environ.get("AIRFLOW_CTX_DAG_RUN_ID"):
        tags["dag_run"] = dag_run
    if parent := os.environ.get("NIGHTSHELF_PARENT_RUN"):
        tags["mlflow.parentRunId"] = parent
        experiment = str(api.get_run(parent).info.experiment_id)
    else:
        experiment = _experiment_id(api, room)
    run_id = api.create_run(experiment, tags=tags).info.run_id
    params = [Param(key, str(value)) for key, value in spelled(args).items()]
    checked = [RunTag(name, page) for name, page in quality_pages(inputs).items()]
    api.log_batch(run_id, params=params, tags=[RunTag("room", room), *checked])
    api.log_inputs(
        run_id,
        [
            DatasetInput(
                Dataset(str(pinned.partition), pinned.manifest_sha256[:32], "local", json.dumps({"uri": pinned.uri})),
                [InputTag("mlflow.data.context", pinned.partition.name)],
            )
            for pinned in inputs
        ],
    )
    status = "FAILED"
    try:
        yield MlflowRun(api, run_id)
        status = "FINISHED"
    finally:
        api.set_terminated(run_id, status)

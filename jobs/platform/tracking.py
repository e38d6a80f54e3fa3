"""MLflow: one experiment per room, params spelled as in Args, inputs with their manifest hashes.

MLFLOW_TRACKING_URI names the store; by default an SQLite file under NIGHTSHELF_HOME. Big files (embeddings, index)
stay in the lake: MLflow gets a pointer with checksums.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jobs.lake.attempt import spelled
from jobs.lake.locks import file_lock
from jobs.lake.manifest import code_version
from jobs.lake.partitions import lake_root, table_folder, trials_root
from jobs.lake.read import Pinned, read_verdict
from jobs.lake.storage import is_local, local_path
from jobs.platform.tracking_journal import ENDED, Entry, Journal, file_entry, journals, now_ms, read, send

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from mlflow import MlflowClient

# MLflow's own defaults ask a server that is down for many minutes
LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
ANSWER_S, TABLES_S, SILENT_S = 9.0, 60.0, 60.0
PAUSES_S = (0.1, 0.5, 2.0)
KEY_TAG = "journal"
log = logging.getLogger(__name__)
_silent_until = 0.0


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


def journal_folder() -> Path:
    """Folder of the journals: all that MLflow was not told yet."""
    return home() / "mlflow_journal"


def tracking_uri() -> str:
    """The MLflow store that every job writes to."""
    return os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{home()}/mlflow.db")


def client() -> MlflowClient:
    """An MLflow client on a store that answers.

    Raises:
        MlflowException, OSError: it is down; after 8 s at the latest. For a minute it is not asked again.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        raise ConnectionError("MLflow did not answer a moment ago")
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri())
    api = mlflow.MlflowClient()
    silent_until = time.monotonic() + SILENT_S
    try:
        if tracking_uri().startswith("sqlite:"):
            # four processes that meet an empty SQLite file damage it for good, so the first makes the tables alone
            with file_lock(home() / "mlflow.lock", limit_s=TABLES_S):
                api.search_experiments(max_results=1)
        else:
            within(ANSWER_S, lambda: api.search_experiments(max_results=1))
        silent_until = 0.0
    finally:
        _silent_until = silent_until
    return api


def within(limit_s: float, call: Callable[[], object]) -> None:
    """Make a call in a thread of its own: a name server or a database driver may know no time limit.

    Raises:
        TimeoutError: it has not ended in time; it is left alone.
    """
    errors: list[BaseException] = [TimeoutError(f"MLflow: no answer in {limit_s:g} s")]

    def attempt() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 raised again below
            errors[0] = error
        else:
            errors.clear()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(limit_s)
    if errors:
        raise errors[0]


class MlflowRun:
    """An open mlflow_run. What MLflow does not take stays in the journal: tracking never fails a job."""

    def __init__(self, api: MlflowClient | None, run_id: str, journal: Journal) -> None:
        self.client = api
        self.id = run_id
        self._journal = journal

    def measures(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log figures at a step, in one request; `@` in R@60 becomes `_at_`, which MLflow allows."""
        figures = {metric_name(name): float(value) for name, value in values.items()}
        self._tell({"metrics": figures, "at": now_ms(), "step": step})

    def params(self, values: Mapping[str, object]) -> None:
        """Log settings."""
        self._tell({"params": {name: str(value) for name, value in values.items()}})

    def inputs(self, inputs: Sequence[Pinned]) -> None:
        """Log the partitions that the job reads, with the hashes of their manifests."""
        rows = [
            {
                "partition": str(pinned.partition),
                "digest": pinned.manifest_sha256[:32],
                "uri": pinned.uri,
                "table": pinned.partition.name,
            }
            for pinned in inputs
        ]
        self._tell({"inputs": rows})

    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a small file (a report, a plot)."""
        self._tell(file_entry(path.name, path.read_bytes(), folder))

    def text(self, text: str, name: str) -> None:
        """Log a text as a file."""
        self._tell(file_entry(name, text.encode()))

    def output(self, files: Mapping[str, str], uri: str) -> None:
        """Log a pointer to what stays in the lake: where, and the sha256 of each file."""
        self.text(json.dumps({"uri": uri, "sha256": dict(files)}, indent=1), "output.json")

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, for searching in the UI."""
        self._tell({"tags": dict(values)})

    def status(self, status: str) -> None:
        """Set RUNNING, or end it: FINISHED, FAILED."""
        entry = {"status": status, "at": now_ms()}
        self._tell(entry)
        if self._journal.keeps and self.client:  # the entries before it are sent once more, and then this one
            self._journal.keep(entry)

    def _tell(self, entry: Entry) -> None:
        if self.client and (error := _refused(partial(send, self.client, self.id, entry))):
            log.warning("mlflow_run %s: %s is kept for later: %s", self.id[:8], next(iter(entry)), error)
            self.client = self.client if _answered(error) else None
            self._journal.keep(entry)
        elif not self.client:
            self._journal.keep(entry)


def _refused(call: Callable[[], object]) -> Exception | None:
    """The error of a call to MLflow, None after success.

    It is tried again for a moment: two jobs that log the same input break a rule of MLflow's database, once; and a
    server may be starting anew.
    """
    started = time.monotonic()
    for pause_s in (*PAUSES_S, None):
        try:
            call()
        except Exception as error:  # noqa: BLE001 whatever it is, tracking must not fail a job
            if pause_s is None or time.monotonic() - started > sum(PAUSES_S):
                return error
            time.sleep(pause_s)
        else:
            return None
    return None


def _answered(error: Exception) -> bool:
    """Whether MLflow is there and refused this one entry."""
    return getattr(error, "error_code", "INTERNAL_ERROR") not in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


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
    except MlflowException:
        if experiment := client.get_experiment_by_name(room):  # another job made it in between
            return str(experiment.experiment_id)
        raise


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
    simulated = any(pinned.manifest.simulated for pinned in inputs)
    tags = {"mlflow.runName": name or room, "code_version": code_version(), "simulated": str(simulated).lower()}
    if dag_run := os.environ.get("AIRFLOW_CTX_DAG_RUN_ID"):
        tags["dag_run"] = dag_run
    head = {"key": uuid4().hex, "room": room, "parent": os.environ.get("NIGHTSHELF_PARENT_RUN", ""), "at": now_ms()}
    with _journaled(head | {"tags": tags}) as tracked:
        status = "FAILED"
        try:
            tracked.params(spelled(args))
            tracked.tags({"room": room, **quality_pages(inputs)})
            tracked.inputs(inputs)
            yield tracked
            status = "FINISHED"
        finally:
            tracked.status(status)


@contextmanager
def reopened(run_id: str) -> Iterator[MlflowRun]:
    """An mlflow_run that an earlier process opened, to log more to it."""
    with _journaled({"key": uuid4().hex, "run_id": run_id}) as tracked:
        yield tracked


@contextmanager
def _journaled(head: Entry) -> Iterator[MlflowRun]:
    """The mlflow_run of a journal's head; where MLflow is down its id is the journal's key, until it is sent."""
    journal = Journal(journal_folder(), head)
    try:
        api, run_id = None, str(head.get("run_id", head["key"]))
        try:
            api = client()
            _end_killed(api)
            run_id = open_run(api, head)
            journal.created(run_id)
        except Exception as error:  # noqa: BLE001 whatever it is, tracking must not fail a job
            log.warning("MLflow does not take this mlflow_run; it is kept for later: %s", error)
            api, journal.keeps = None, True
        yield MlflowRun(api, run_id, journal)
    finally:
        journal.close()


def open_run(api: MlflowClient, head: Entry, again: bool = False) -> str:
    """The id of the mlflow_run of a journal's head, which is made; again: it may have been made before.

    Raises:
        LookupError: it goes on with, or is a child of, one that MLflow does not have yet.
    """
    if "run_id" in head:
        return find_run(api, head["run_id"])
    tags = {**head["tags"], KEY_TAG: head["key"]}
    if head["parent"]:
        tags["mlflow.parentRunId"] = find_run(api, head["parent"])
        experiment = str(api.get_run(tags["mlflow.parentRunId"]).info.experiment_id)
    else:
        experiment = _experiment_id(api, head["room"])
    made = _by_key(api, head["key"]) if again else ""
    return made or str(api.create_run(experiment, start_time=head["at"], tags=tags).info.run_id)


def _end_killed(api: MlflowClient) -> None:
    """End the mlflow_runs of processes that were killed: their journals are left, and nobody holds them."""
    for path in journals(journal_folder()):
        with suppress(Exception):  # the next job tries again
            deliver(api, path, killed_alone=True)


def deliver(api: MlflowClient, path: Path, killed_alone: bool = False) -> bool:
    """Send the journal of an mlflow_run and delete it; False while its job runs.

    killed_alone: leave one that holds more than an open mlflow_run.
    """
    with suppress(BlockingIOError), file_lock(path, wait=False):
        head, *entries = read(path) or [{}]
        if entries and "run_id" in entries[0]:
            head |= entries.pop(0)
        if entries and killed_alone:
            return False
        if head:
            run_id = open_run(api, head, again=True)
            for entry in entries:
                send(api, run_id, entry)
            if "room" in head and not any(entry.get("status") in ENDED for entry in entries):
                api.set_terminated(run_id, "KILLED", int(path.stat().st_mtime * 1000))
        path.unlink()
        return True
    return False


def find_run(api: MlflowClient, run_id: str) -> str:
    """The id by which MLflow knows an mlflow_run; where MLflow was down, the id in a manifest is the journal's key.

    Raises:
        LookupError: MLflow does not have it yet.
    """
    from mlflow.exceptions import MlflowException

    try:
        return str(api.get_run(run_id).info.run_id)
    except MlflowException as error:
        if not _answered(error):
            raise
    if found := _by_key(api, run_id):
        return found
    raise LookupError(f"mlflow_run {run_id} is not in MLflow: run `python -m jobs replay_tracking`")


def _by_key(api: MlflowClient, key: str) -> str:
    experiments = [experiment.experiment_id for experiment in api.search_experiments()]
    runs = api.search_runs(experiments, f"tags.{KEY_TAG} = '{key}'", max_results=1)
    return str(runs[0].info.run_id) if runs else ""

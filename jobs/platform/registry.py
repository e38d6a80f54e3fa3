"""MLflow's model registry: the published towers of a room are versions of one registered model, named after the room.

The weights stay in the lake; a version holds a pointer to them with the manifest's checksum. The alias `search/champion`
of the lake is the alias `champion` of the model `search` here, because MLflow allows no `/` in an alias.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.alias import FIRST_ROOM, Promotion, pin_promoted, protected
from jobs.lake.locks import file_lock
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.tracking import client, find_run, journal_folder
from jobs.platform.tracking_journal import Entry, Journal, journals, now, read

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# the registered model of the room `search` before there were rooms; its versions keep their aliases up to date
FORMER_MODELS = {"search": "two_tower"}
# the version that served before, the version that was judged last
PREVIOUS, CHALLENGER = "previous", "challenger"
NOT_UPDATED = "not updated"
CODE = Path(__file__).resolve().parents[1] / "bundle" / "mlflow_model.py"
log = logging.getLogger(__name__)


def register_towers(towers: Pinned, room: str = FIRST_ROOM) -> str:
    """Log the published towers to the mlflow_run that trained them and register them; returns `model/version`.

    Where MLflow is down, `not updated`: it is told later, by `replay_tracking`.
    """
    return _told({"register": room, **_named(towers)})


def set_champion(alias: str, index: Pinned, why: str) -> str:
    """Set an alias of the lake on the registered version behind an index, and `previous` on the version that had it.

    Returns what was set, or `not updated`. The alias in the lake decides what serves: a registry that is down must not
    undo a promotion, so `replay_tracking` tells it later.
    """
    tags = {"index": str(index.partition), "bundle": index.bundle_id, "why": why}
    room, _, name = alias.partition("/")
    return _told({"alias": name, "room": room, "tags": tags, **_named(index)})


def set_challenger(room: str, index: Pinned, verdict: str, report: Partition) -> str:
    """Set `challenger` on the registered version behind the index that was judged last; returns as set_champion."""
    tags = {"verdict": verdict, "report": str(report)}
    return _told({"alias": CHALLENGER, "room": room, "tags": tags, **_named(index)})


def _named(pinned: Pinned) -> Entry:
    return {"partition": str(pinned.partition), "attempt": pinned.manifest.attempt, "at": now().isoformat()}


def _told(event: Entry) -> str:
    """Tell the registry, or keep the event; events stay in order, so behind one that waits the next waits too."""
    error: object = "events before this one wait"
    if not any("-registry" in path.name for path in journals(journal_folder())):
        try:
            return apply(client(), event)
        except Exception as failure:  # noqa: BLE001 the lake decides what serves: the registry is a record
            error = failure
    log.warning("%s: MLflow's registry was not updated, `replay_tracking` will do it: %s", event["partition"], error)
    journal = Journal(journal_folder(), {"key": "registry"})
    journal.keep(event)
    journal.close()
    return NOT_UPDATED


def deliver_event(api: MlflowClient, path: Path) -> bool:
    """Tell the registry of the event in a journal, and delete it; False while another process does so."""
    with suppress(BlockingIOError), file_lock(path, wait=False):
        for event in read(path)[1:]:
            log.info("%s: %s", path.name, apply(api, event))
        path.unlink()
        return True
    return False


def apply(api: MlflowClient, event: Entry) -> str:
    """Register towers or move an alias; both may be done twice. A version that retention deleted is passed over."""
    try:
        pinned = pin(Partition.parse(event["partition"]), attempt=event["attempt"], even_stopped=True)
    except LookupError as error:
        return f"no longer in the lake: {error}"
    if "register" in event:
        return _register(api, pinned, event["register"])
    versions = _versions_behind(api, event["room"], pinned)
    for found in versions:
        _set_alias(api, found, event)
    return ", ".join(f"{found.name}/{found.version}" for found in versions) or "no model"


def _register(api: MlflowClient, towers: Pinned, room: str) -> str:
    import mlflow

    run_id = find_run(api, towers.manifest.mlflow_run_id)
    known = [version for version in api.search_model_versions(f"run_id='{run_id}'") if version.name == room]
    number = known[0].version if known else ""
    if not known:
        with mlflow.start_run(run_id=run_id):
            number = _log_model(towers, room)
    for key, value in {
        "partition": str(towers.partition),
        "space_id": str(towers.facts["space_id"]),
        "simulated": str(towers.manifest.simulated).lower(),
    }.items():
        api.set_model_version_tag(room, str(number), key, value)
    log.info("%s: registered as %s/%s", towers.partition, room, number)
    return f"{room}/{number}"


def _log_model(towers: Pinned, room: str) -> str:
    """Log a pointer to the towers to the open mlflow_run, and register it; returns the version's number."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "query")]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, int(towers.facts["dim"])))]),
    )
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # an example would be a query that somebody typed
        warnings.filterwarnings("ignore", message=".*input example was not provided.*")
        pointer = Path(folder) / "pointer.json"
        pointer.write_text(json.dumps(asdict(towers.source), indent=1), "utf-8")
        logged = mlflow.pyfunc.log_model(
            name=room,
            python_model=str(CODE),
            artifacts={"pointer": str(pointer)},
            signature=signature,
            # stated, since MLflow would take ten seconds to guess them. This package is on no public index, and whoever
            # took its name there would have his code run: the model is served where it is installed
            pip_requirements=[f"torch=={version('torch').partition('+')[0]}"],
            registered_model_name=room,
        )
    return str(logged.registered_model_version)


def register_history(alias: str, history: Sequence[Promotion]) -> list[str]:
    """Register the towers behind an alias's protected bundles for its room where they are not yet, the newest last.

    For lakes of before, whose registered models load code by module names that are gone. Returns the new versions.
    """
    from mlflow.exceptions import MlflowException

    room = alias.partition("/")[0]
    made: list[str] = []
    try:
        for event in reversed(protected(history)):
            index = pin_promoted(event)
            towers = [pinned for pinned in _towers_behind(index) if pinned.manifest.mlflow_run_id]
            known = {version.name for version in (_versions_behind(client(), room, index) if towers else ())}
            if known and room not in known:
                made += [told for pinned in towers if (told := register_towers(pinned, room)) != NOT_UPDATED]
                set_champion(alias, index, event.why)
    except (MlflowException, LookupError, OSError, RuntimeError) as error:
        log.warning("%s: not registered anew: %s", alias, error)
    return made


def _versions_behind(api: MlflowClient, room: str, index: Pinned) -> list[ModelVersion]:
    """The versions of the room's model that were registered by the mlflow_run of an index's towers."""
    run_ids = [towers.manifest.mlflow_run_id for towers in _towers_behind(index) if towers.manifest.mlflow_run_id]
    versions = [found for run in run_ids for found in api.search_model_versions(f"run_id='{find_run(api, run)}'")]
    return [version for version in versions if version.name in (room, FORMER_MODELS.get(room))]


def _towers_behind(index: Pinned) -> list[Pinned]:
    """The towers that an index was made with: one, or none where another encoder made its vectors."""
    sources = [source for source in index.manifest.inputs if source.partition.startswith("towers/")]
    return [pin(Partition.parse(towers.partition), attempt=towers.attempt, even_stopped=True) for towers in sources[:1]]


def _set_alias(api: MlflowClient, version: ModelVersion, event: Entry) -> None:
    """Set the alias, and `previous` on the version that had it; `challenger` leaves no `previous`.

    An event that was kept while MLflow was down does not undo a later one.
    """
    name, moved = event["alias"], f"{event['alias']}_since"
    before = api.get_registered_model(version.name).aliases.get(name)
    if before and api.get_model_version(version.name, before).tags.get(moved, "") > event["at"]:
        return
    if before and name != CHALLENGER and str(before) != str(version.version):
        api.set_registered_model_alias(version.name, PREVIOUS, before)
    api.set_registered_model_alias(version.name, name, version.version)
    for key, value in {**event["tags"], moved: event["at"]}.items():
        api.set_model_version_tag(version.name, version.version, key, value[:250])

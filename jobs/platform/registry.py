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
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.alias import FIRST_ROOM, Promotion, pin_promoted, protected
from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.tracking import client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# the registered model of the room `search` before there were rooms; its versions keep their aliases up to date
FORMER_MODELS = {"search": "two_tower"}
# the version that served before, the version that was judged last
PREVIOUS, CHALLENGER = "previous", "challenger"
CODE = Path(__file__).resolve().parents[1] / "bundle" / "mlflow_model.py"
log = logging.getLogger(__name__)


def register_towers(towers: Pinned, room: str = FIRST_ROOM) -> str:
    """Log the published towers to the mlflow_run that trained them and register them; returns `model/version`."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    api = client()
    dim = int(towers.facts["dim"])
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "query")]), outputs=Schema([TensorSpec(np.dtype("float32"), (-1, dim))])
    )
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # an example would be a query that somebody typed
        warnings.filterwarnings("ignore", message=".*input example was not provided.*")
        pointer = Path(folder) / "pointer.json"
        pointer.write_text(json.dumps(asdict(towers.source), indent=1), "utf-8")
        with mlflow.start_run(run_id=towers.manifest.mlflow_run_id):
            logged = mlflow.pyfunc.log_model(
                name=room,
                python_model=str(CODE),
                artifacts={"pointer": str(pointer)},
                signature=signature,
                # stated, since MLflow would take ten seconds to guess them. This package is on no public index, and
                # whoever took its name there would have his code run: the model is served where it is installed
                pip_requirements=[f"torch=={version('torch').partition('+')[0]}"],
                registered_model_name=room,
            )
    number = str(logged.registered_model_version)
    for key, value in {
        "partition": str(towers.partition),
        "space_id": str(towers.facts["space_id"]),
        "simulated": str(towers.manifest.simulated).lower(),
    }.items():
        api.set_model_version_tag(room, number, key, value)
    log.info("%s: registered as %s/%s", towers.partition, room, number)
    return f"{room}/{number}"


def set_champion(alias: str, index: Pinned, why: str) -> str:
    """Set an alias of the lake on the registered version behind an index, and `previous` on the version that had it.

    Returns what was set, or `not updated` where MLflow failed. The alias in the lake decides what serves: a registry
    that is down must not undo a promotion, so a failure is logged, not raised.
    """
    room, _, name = alias.partition("/")
    return _update(room, name, index, {"index": str(index.partition), "bundle": index.bundle_id, "why": why})


def set_challenger(room: str, index: Pinned, verdict: str, report: Partition) -> str:
    """Set `challenger` on the registered version behind the index that was judged last; returns as set_champion."""
    return _update(room, CHALLENGER, index, {"verdict": verdict, "report": str(report)})


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
                made += [register_towers(pinned, room) for pinned in towers]
                set_champion(alias, index, event.why)
    except (MlflowException, LookupError, OSError, RuntimeError) as error:
        log.warning("%s: not registered anew: %s", alias, error)
    return made


def _update(room: str, name: str, index: Pinned, tags: dict[str, str]) -> str:
    from mlflow.exceptions import MlflowException

    try:
        api = client()
        versions = _versions_behind(api, room, index)
        for version in versions:
            _set_alias(api, version, name)
            for key, value in tags.items():
                api.set_model_version_tag(version.name, version.version, key, value[:250])
    except (MlflowException, LookupError, OSError, RuntimeError) as error:
        log.warning("%s/%s: MLflow's registry was not updated: %s", room, name, error)
        return "not updated"
    return ", ".join(f"{version.name}/{version.version}" for version in versions) or "no model"


def _versions_behind(api: MlflowClient, room: str, index: Pinned) -> list[ModelVersion]:
    """The versions of the room's model that were registered by the mlflow_run of an index's towers."""
    run_ids = [towers.manifest.mlflow_run_id for towers in _towers_behind(index)]
    versions = [version for run_id in run_ids if run_id for version in api.search_model_versions(f"run_id='{run_id}'")]
    return [version for version in versions if version.name in (room, FORMER_MODELS.get(room))]


def _towers_behind(index: Pinned) -> list[Pinned]:
    """The towers that an index was made with: one, or none where another encoder made its vectors."""
    sources = [source for source in index.manifest.inputs if source.partition.startswith("towers/")]
    return [pin(Partition.parse(towers.partition), attempt=towers.attempt, even_stopped=True) for towers in sources[:1]]


def _set_alias(api: MlflowClient, version: ModelVersion, name: str) -> None:
    """Set the alias, and `previous` on the version that had it; `challenger` leaves no `previous`."""
    if name != CHALLENGER:
        before = api.get_registered_model(version.name).aliases.get(name)
        if before and str(before) != str(version.version):
            api.set_registered_model_alias(version.name, PREVIOUS, before)
    api.set_registered_model_alias(version.name, name, version.version)

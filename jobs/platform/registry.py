"""MLflow's model registry: every published pair of towers is a version of one model, with a signature.

The weights stay in the lake; the version holds a pointer to them with the manifest's checksum.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from jobs.lake.partitions import Partition
from jobs.lake.read import Pinned, pin
from jobs.platform.tracking import client

MODEL = "two_tower"
# what serves, what served before it, what was judged last
CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
CODE = Path(__file__).resolve().parents[1] / "bundle" / "mlflow_model.py"
log = logging.getLogger(__name__)


def register_towers(towers: Pinned) -> str:
    """Log the published towers to the mlflow_run that trained them and register them; returns the version."""
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
                name=MODEL,
                python_model=str(CODE),
                artifacts={"pointer": str(pointer)},
                signature=signature,
                # stated, since MLflow would take ten seconds to guess them
                pip_requirements=[f"torch=={version('torch').partition('+')[0]}", "nightshelf"],
                registered_model_name=MODEL,
            )
    number = str(logged.registered_model_version)
    for key, value in {
        "partition": str(towers.partition),
        "space_id": str(towers.facts["space_id"]),
        "simulated": str(towers.manifest.simulated).lower(),
    }.items():
        api.set_model_version_tag(MODEL, number, key, value)
    log.info("%s: registered as %s/%s", towers.partition, MODEL, number)
    return f"{MODEL}/{number}"


def tell_champion(index: Pinned, why: str) -> str:
    """Set the alias `champion` to the version behind an index, and `previous` to the one that had it.

    Returns what was set, or `not told`. The pointer is what serves: a registry that is down must not undo a
    promotion, so its failure is told, not raised.
    """
    return _tell(index, CHAMPION, {"index": str(index.partition), "bundle": index.bundle_id, "why": why})


def tell_challenger(index: Pinned, verdict: str, report: Partition) -> str:
    """Set the alias `challenger` to the version behind the index that was judged last; returns as tell_champion."""
    return _tell(index, CHALLENGER, {"verdict": verdict, "report": str(report)})


def _tell(index: Pinned, alias: str, tags: dict[str, str]) -> str:
    from mlflow.exceptions import MlflowException

    towers = next(one for one in index.manifest.inputs if one.partition.startswith("towers/"))
    try:
        found = pin(Partition.parse(towers.partition), attempt=towers.attempt, even_stopped=True)
        api = client()
        versions = api.search_model_versions(f"run_id='{found.manifest.mlflow_run_id}'")
        for version in versions:
            if alias == CHAMPION:
                before = api.get_registered_model(version.name).aliases.get(CHAMPION)
                if before and str(before) != str(version.version):
                    api.set_registered_model_alias(version.name, PREVIOUS, before)
            api.set_registered_model_alias(version.name, alias, version.version)
            for key, value in tags.items():
                api.set_model_version_tag(version.name, version.version, key, value[:250])
    except (MlflowException, LookupError, OSError, RuntimeError) as error:
        log.warning("%s: the registry was not told: %s", alias, error)
        return "not told"
    return ", ".join(f"{version.name}/{version.version}" for version in versions) or "no model"

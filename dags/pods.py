"""A job as a Kubernetes pod: the same words after the image's entry, a GPU where the job wants one.

Needs apache-airflow-providers-cncf-kubernetes (`pip install nightshelf[cluster]`). What belongs to a site (volumes,
secrets, tolerations, service account) stands in the pod template that NIGHTSHELF_POD_TEMPLATE names.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence

from airflow.sdk import BaseOperator

PROVIDER = "airflow.providers.cncf.kubernetes.operators.pod"
STARTUP_S = 1_800  # a GPU node may have to be started first
PASSED_ON = ("NIGHTSHELF_LAKE", "NIGHTSHELF_SPARK_MASTER", "MLFLOW_TRACKING_URI")


def pod_spec(name: str, words: Sequence[str], gpu: bool) -> dict[str, object]:
    """What the pod operator is given, in plain values: the part that a golden file can hold."""
    return {
        "name": f"nightshelf-{name}",
        "image": os.environ.get("NIGHTSHELF_IMAGE", "nightshelf:latest"),
        "cmds": ["python", "-m", "jobs.launch"],
        "arguments": [name, *words],
        "env_vars": {key: os.environ[key] for key in PASSED_ON if key in os.environ},
        "pod_template_file": os.environ.get("NIGHTSHELF_POD_TEMPLATE") or None,
        "limits": {"nvidia.com/gpu": "1"} if gpu else {},
    }


def pod(name: str, words: Sequence[str], gpu: bool, *, task_id: str, pool: str) -> BaseOperator:
    """The pod operator of a job; its result comes back through the file that jobs.launch writes.

    Raises:
        RuntimeError: the provider is not installed.
    """
    try:
        operator = importlib.import_module(PROVIDER).KubernetesPodOperator
        models = importlib.import_module("kubernetes.client.models")
    except ImportError as error:
        raise RuntimeError(
            "NIGHTSHELF_RUNNER=kubernetes needs apache-airflow-providers-cncf-kubernetes: "
            "pip install 'nightshelf[cluster]'"
        ) from error
    given = pod_spec(name, words, gpu)
    limits: Mapping[str, str] = given.pop("limits")  # type: ignore[assignment]
    made: BaseOperator = operator(
        task_id=task_id, pool=pool, **given,
        container_resources=models.V1ResourceRequirements(limits=dict(limits)) if limits else None,
        do_xcom_push=True,
        # jobs.launch writes the result there; 99 is a job with nothing to do
        skip_on_exit_code=99,
        startup_timeout_seconds=STARTUP_S,
        # a pod that outlives a lost worker is found again and not started twice
        reattach_on_restart=True,
        on_finish_action="delete_succeeded_pod",
        deferrable=True,
    )  # fmt: skip
    return made

"""A command as a Kubernetes pod: the same arguments, a GPU where the command needs one.

Needs apache-airflow-providers-cncf-kubernetes (`pip install '.[cluster]'` here). Volumes, secrets,
tolerations and the service account of a site belong in the pod template that NIGHTSHELF_POD_TEMPLATE names.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from dags.alerts import PodAlerts

PROVIDER = "airflow.providers.cncf.kubernetes.operators.pod"
STARTUP_S = 1_800  # a GPU node may have to be started first
PASSED_VARIABLES = ("NIGHTSHELF_LAKE", "NIGHTSHELF_SPARK_MASTER", "MLFLOW_TRACKING_URI")


def pod_spec(name: str, words: Sequence[str], gpu: bool) -> dict[str, object]:
    """Settings of the pod operator as plain values, so that a golden file can hold them."""
    return {
        "name": f"nightshelf-{name}",
        "image": os.environ.get("NIGHTSHELF_IMAGE", "nightshelf:latest"),
        "cmds": ["python", "-m", "jobs"],
        "arguments": [name, *words],
        "env_vars": {key: os.environ[key] for key in PASSED_VARIABLES if key in os.environ},
        "pod_template_file": os.environ.get("NIGHTSHELF_POD_TEMPLATE") or None,
        "limits": {"nvidia.com/gpu": "1"} if gpu else {},
    }


def pod(name: str, words: Sequence[str], gpu: bool, *, task_id: str, pool: str) -> BaseOperator:
    """The pod operator of a command; its result comes back through the file that jobs/__main__.py writes.

    Raises:
        RuntimeError: the provider is not installed.
    """
    operator, settings = _operator(name, words, gpu)
    made: BaseOperator = operator(task_id=task_id, pool=pool, **settings)
    return made


def pods(name: str, arguments_of: XComArg, label: str, *, task_id: str, pool: str) -> MappedOperator:
    """A pod with a GPU for each list of arguments that an earlier task printed; see `runner.job_each`."""
    operator, settings = _operator(name, (), gpu=True)
    settings |= {"cmds": [*settings["cmds"], *settings.pop("arguments")]}
    each = operator.partial(task_id=task_id, pool=pool, map_index_template=label, **settings)
    made: MappedOperator = each.expand(arguments=arguments_of)
    return made


def _operator(name: str, words: Sequence[str], gpu: bool) -> tuple[Any, dict[str, Any]]:
    """The pod operator's class, and its settings."""
    try:
        operator = importlib.import_module(PROVIDER).KubernetesPodOperator
        models = importlib.import_module("kubernetes.client.models")
    except ImportError as error:
        raise RuntimeError(
            "NIGHTSHELF_RUNNER=kubernetes needs apache-airflow-providers-cncf-kubernetes: "
            "`pip install '.[cluster]'` in Nightshelf's folder"
        ) from error
    settings: dict[str, Any] = pod_spec(name, words, gpu)
    limits = settings.pop("limits")
    return operator, {
        **settings,
        "container_resources": models.V1ResourceRequirements(limits=limits) if limits else None,
        "do_xcom_push": True,
        "on_success_callback": PodAlerts(),
        # a command with nothing to do exits with 99
        "skip_on_exit_code": 99,
        "startup_timeout_seconds": STARTUP_S,
        # a pod that outlives a lost worker is reattached and not started twice
        "reattach_on_restart": True,
        "on_finish_action": "delete_succeeded_pod",
        "deferrable": True,
    }

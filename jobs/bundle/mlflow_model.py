"""The query tower as an MLflow model, as code: a pointer into the lake and no pickle.

`mlflow models serve --env-manager local --model-uri models:/search@champion`, where Nightshelf is installed, answers
{"inputs": {"query": ["tenisówki pikachu"]}} with one vector per query.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import Partition
from jobs.lake.read import pin
from models.text.normalise import normalise_query
from models.towers.encode import encode_queries


class QueryTower(PythonModel):
    """Queries -> vectors [B, D] of unit norm, from the version of the towers that was registered."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the towers that the pointer names; RuntimeError when the lake holds others by now."""
        pointer = json.loads(Path(context.artifacts["pointer"]).read_text("utf-8"))
        pinned = pin(Partition.parse(pointer["partition"]), attempt=pointer["attempt"])
        if pinned.manifest_sha256 != pointer["manifest_sha256"]:
            raise RuntimeError(f"{pinned.partition}: its manifest is not the one that was registered")
        self.towers = load_towers(pinned)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Encode the column `query`, normalised as in training."""
        return encode_queries(self.towers, [normalise_query(text) for text in model_input["query"]])


set_model(QueryTower())

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from jobs.bundle.files import write_index
from models.ann.codes import filled
from models.ann.train import train

ROOT = Path(__file__).resolve().parents[3]


def vectors(rows: int = 3000, dim: int = 16) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def build(factory: str) -> faiss.Index:
    return filled(train(vectors(), factory), factory, vectors())[0]


@pytest.mark.parametrize("factory", ["Flat", "IVF16,SQ8", "IVF16_HNSW8,Flat"])
def test_an_index_reads_back_byte_for_byte(tmp_path: Path, factory: str) -> None:
    index = build(factory)
    write_index(index, tmp_path / "index.faiss")
    np.testing.assert_array_equal(
        np.frombuffer((tmp_path / "index.faiss").read_bytes(), np.uint8), faiss.serialize_index(index)
    )


def test_a_disk_that_fills_in_the_last_block_is_noticed(tmp_path: Path) -> None:
    # faiss.write_index itself reports success here, with the tail missing
    index = build("IVF16,SQ8")
    size = len(faiss.serialize_index(index))
    code = f"""
import resource, signal
import numpy as np
from pathlib import Path
from jobs.bundle.files import write_index
from tests.jobs.bundle.test_files import build
index = build("IVF16,SQ8")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size - 10}, {size - 10}))
try:
    write_index(index, Path({str(tmp_path / "index.faiss")!r}))
except (OSError, RuntimeError) as error:
    raise SystemExit(7) from error
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode != 0, "a truncated index was taken for a whole one"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != size - 10


def test_an_online_service_loads_no_spark_no_airflow_and_no_mlflow() -> None:
    code = "import sys, jobs.bundle.torch_reader; print([n for n in sys.modules if n.split('.')[0] in"
    code += " ('pyspark', 'airflow', 'mlflow', 'great_expectations', 'matplotlib')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert done.stdout.strip() == b"[]"

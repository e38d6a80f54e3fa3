"""Write old_lake.tar.gz: a lake and a home as the code of commit 6dbda37 left them, before tables and keys were renamed.

    git worktree add <folder> 6dbda37
    cd <folder> && PYTHONPATH=. python <this file> old_lake.tar.gz

It runs in that checkout and imports its modules, so nothing here is imported by a test. The archive holds two indexes that
were promoted one after the other (with towers, embeddings, quantiser, codes, report), small partitions of every other
renamed table, one of a trial, checked by that day's expectations, and files under NIGHTSHELF_HOME named after them.
"""

# mypy: ignore-errors

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(tempfile.mkdtemp(prefix="old-lake-"))
os.environ |= {"NIGHTSHELF_LAKE": str(ROOT / "lake"), "NIGHTSHELF_HOME": str(ROOT / "var"), "OMP_NUM_THREADS": "1"}
os.environ.pop("MLFLOW_TRACKING_URI", None)

import pyarrow as pa
import torch

from jobs import expect, promote
from jobs.lake import INDEX, Partition
from jobs.pointer import read_pointer
from jobs.publish import publish
from models.normalise import query_id
from models.tokens import train_tokenizer
from models.towers import TowerConfig, TwoTower
from tests.jobs import shop as shops
from tests.jobs.building import build, embed

DS = "2026-01-31"
DAY = date(2026, 1, 30)
IDS = [query_id("lamp"), query_id("tent")]


def write(address: str, columns: dict[str, list[object]]) -> Partition:
    target = Partition.parse(address)
    with publish(target, shops.Args(target)) as out:
        if target.table.columns:
            out.write_table(pa.table(columns))
        else:
            (out.folder / "file.json").write_text("{}")
    return target


def tables() -> list[Partition]:
    acts = {
        "day": [DAY, DAY],
        "query_id": IDS,
        "item_id": ["i1", "i2"],
        "group_id": ["i1", "i2"],
        "position": [1, 2],
        "impressions": [3, 4],
        "clicks": [1, 2],
        "carts": [0, 1],
        "purchases": [0, 1],
    }
    asked = {"day": [DAY, DAY], "query_id": IDS, "query": ["lamp", "tent"], "searches": [3, 4]}
    searchers = {"query_key": ["k1"], "searcher_key": ["s1"]}
    for name in ("truth", "runs", "bert", f"measures towers={'0' * 16}"):
        table, _, key = name.partition(" ")
        write(f"{table}/ds={DS}" + (f"/{key}" if key else ""), {})
    late = {name: [] for name in Partition.parse(f"late/ds={DS}").table.columns}
    write(f"late/ds={DS}", late)
    made = [write(f"acts/ds={DS}", acts), write(f"asked/ds={DS}", asked)]
    write(f"searchers/ds={DS}", searchers)
    return made


def towers() -> shops.Shop:
    torch.manual_seed(0)
    config = TowerConfig(dim=8, trigram_buckets=1 << 7)
    return shops.publish_trained(TwoTower(config, train_tokenizer(shops.titles(), 300)).eval(), "star")


def served(shop: shops.Shop) -> None:
    embed(shop, shards=1)
    for seed in (0, 1):
        build(shop, shards=1, factory="Flat", seed=seed, sparse="off")
        promote.main(promote.Args(index=shop.index, registry="skip"))


def home(space: str) -> None:
    """Checkpoints and half-done work, and a trial's lake."""
    root = ROOT / "var"
    for name in (
        f"checkpoints/bert,ds={DS}.safetensors",
        f"scratch/quantiser,ds={DS},towers={space}/key",
        f"sweeps/sweep,ds={DS},study=by_hand/lock",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    os.environ["NIGHTSHELF_TRIALS"] = str(root / "trials" / f"{DS}-by_hand" / "0")
    write(f"measures/ds={DS}/towers={space}", {})
    del os.environ["NIGHTSHELF_TRIALS"]


def main(archive: str) -> None:
    shops.publish_tables(keep=60)
    shop = towers()
    shop.__class__.embeddings.__defaults__ = ("0of1",)
    shop.__class__.codes.__defaults__ = ("0of1",)
    served(shop)
    checked = tables()
    home(shop.space)
    expect.main(expect.Args(",".join(map(str, checked))))
    assert read_pointer("champion").partition == INDEX.at(ds=DS, towers=shop.space)
    for name in ("mlflow.db", "mlflow", "mlflow.lock", "data_docs/static"):
        os.system(f"rm -rf {ROOT}/var/{name}")
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("lake", "var"):
            tar.add(ROOT / name, name)


if __name__ == "__main__":
    main(sys.argv[1])

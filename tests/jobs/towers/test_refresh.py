"""A refresh as a job: kept where dev recall rises, and the embeddings of before serve the index of after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.bundle.torch_reader import load_bundle, own_vector_frac
from jobs.bundle.tower_files import check_golden, load_towers, write_towers
from jobs.embeddings import embed as embeddings
from jobs.index import build as index
from jobs.index import codes, trained_index
from jobs.lake.partitions import CODES, EMBEDDINGS, INDEX, TOWERS, TRAINED_INDEX, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.towers import refresh, training_loop
from models.towers.encode import encode_items
from models.towers.space_id import space_id
from models.training import adore
from tests.jobs.towers.classroom import DS, IN_BATCH, ITEM_IDS, TABLES, Args, publish_learning
from tests.models.shop import ITEMS as TITLES
from tests.models.shop import towers

AFTER = TOWERS.at(ds=DS, step="adore")
SETTINGS = {"epochs": 3, "batch_size": 8, "depth": 20, "lr": 1e-3, "trigram_lr": 1e-2}


@pytest.fixture
def before(lake: Path) -> Partition:
    """Towers that were never trained, and their embeddings."""
    publish_learning()
    torch.manual_seed(0)
    made = towers(bert=False)
    with publish(IN_BATCH, Args(IN_BATCH)) as out:
        write_towers(made, out.folder)
        out.facts.update(space_id=space_id(made), dim=made.config.dim)
    at = EMBEDDINGS.at(ds=DS, space=space_id(made), shard="0of1")
    embeddings.main(embeddings.Args(TABLES["items"], IN_BATCH, at))
    return at


def refreshed(before: Partition, **settings: object) -> dict[str, object]:
    given = {**SETTINGS, **settings}
    return refresh.main(refresh.Args(**TABLES, start=IN_BATCH, towers=AFTER, embeddings=before, **given))  # type: ignore[arg-type]


def test_embeddings_of_before_serve_the_index_of_after(before: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop.TrainingLoop, "_is_best", lambda *_: True)
    said = refreshed(before)
    found = pin(AFTER)
    after = load_towers(found)
    check_golden(after, found)
    assert said["kept"] is True
    assert found.facts["items_of"] == before.values["space"]
    assert found.facts["space_id"] == space_id(after) != before.values["space"]
    start = load_towers(pin(IN_BATCH))
    assert (encode_items(after, TITLES) == encode_items(start, TITLES)).all()
    made = INDEX.at(ds=DS, space=space_id(after))
    space = before.values["space"]
    learnt, coded = TRAINED_INDEX.at(ds=DS, space=space), CODES.at(ds=DS, space=space, shard="0of1")
    few = {"tuning_queries": 5, "recall_depth": 5}
    trained_index.main(trained_index.Args(before, AFTER, TABLES["queries"], learnt, tune_items=1000, **few))
    codes.main(codes.Args(before, learnt, coded))
    index.main(
        index.Args(
            codes=coded,
            trained_index=learnt,
            embeddings=before,
            towers=AFTER,
            items=TABLES["items"],
            queries=TABLES["queries"],
            index=made,
            **few,
        )
    )
    bundle = load_bundle(pin(made))
    assert own_vector_frac(bundle, ITEM_IDS, TITLES) == 1.0
    assert np.allclose(bundle.encode(["buty"]), after.encode_queries(["buty"]).numpy(), atol=1e-6)


def test_not_better_is_not_kept(before: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "surely_better", lambda new, old: False)
    said = refreshed(before, epochs=1)
    assert (said["kept"], said["space_id"]) == (False, before.values["space"])
    assert said["R@60"] == said["R@60 before"]
    assert said["registered"] == ""
    with pytest.raises(SystemExit) as skipped:  # Airflow leaves out what follows
        refreshed(before, epochs=1, on_worse="skip")
    assert skipped.value.code == 99


def test_killed_and_started_again_it_ends_as_if_nothing_had_been(
    before: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_loop.TrainingLoop, "_is_best", lambda *_: True)
    monkeypatch.setattr(refresh, "CHECKPOINT_S", 0.0)
    straight = refreshed(before)
    steps: list[str] = []

    def kill(name: str) -> None:
        steps.append(name)
        if len(steps) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(training_loop, "fault_point", kill)
    with pytest.raises(KeyboardInterrupt):
        refreshed(before)
    assert {**refreshed(before), "registered": ""} == {**straight, "registered": ""}
    assert straight["kept"] is True
    assert len(steps) == 3 * (41 // 8)  # each step once: the second run continued from the seventh


def test_it_encodes_by_itself_and_refuses_nonsense(before: Partition) -> None:
    ours, theirs = (
        refreshed(before),
        refresh.main(
            refresh.Args(**TABLES, start=IN_BATCH, towers=AFTER, **SETTINGS)  # type: ignore[arg-type]
        ),
    )
    assert ours["space_id"] == theirs["space_id"]
    assert adore.AdorePlan().depth == 200
    with pytest.raises(ValueError, match="makes step=adore"):
        refresh.Args(**TABLES, start=AFTER, towers=IN_BATCH)  # type: ignore[arg-type]

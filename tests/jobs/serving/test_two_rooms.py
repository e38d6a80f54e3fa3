"""Two rooms side by side in one lake: each has its own towers, index, gate, alias, history and registered model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from jobs.evaluation import rankings, report
from jobs.lake.alias import CHAMPION, all_histories, has_alias, pin_alias, read_history
from jobs.lake.partitions import NOWHERE, RETENTION
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, exists, pin
from jobs.platform.registry import register_history, register_towers
from jobs.platform.tracking import client, mlflow_run
from jobs.privacy import retention
from jobs.serving import pin as pin_job
from jobs.serving import promote, search, verify
from tests.jobs.index.building import build, embed
from tests.jobs.shop import Args, Shop, copied, opened, publish_towers

OTHER = "visual/champion"


def judge(shop: Shop, alias: str) -> dict[str, object]:
    """Rank and report an index of a room, beside what its own alias points at."""
    champion = pin_alias(alias).partition if has_alias(alias) else NOWHERE
    given = (shop.index, shop.queries, shop.qrels, shop.items, shop.rankings)
    rankings.main(rankings.Args(*given, embeddings=shop.embeddings(), champion=champion, alias=alias))
    given = (shop.rankings, shop.index, shop.queries, shop.qrels, shop.items, shop.report)
    return report.main(report.Args(*given, min_relevance=2.0, max_loss=0.05, min_index_recall=0.9, max_cost_ratio=100))


def train(shop: Shop, room: str) -> None:
    """Leave what training leaves: the same towers, published by an mlflow_run and registered for the room."""
    before = pin(shop.towers)
    with mlflow_run("towers", Args(shop.towers)) as tracked, publish(shop.towers, Args(shop.towers)) as out:
        for entry in before.entries():
            shutil.copy(before.path(entry.name), out.folder / entry.name)
        out.facts.update(before.facts)
        out.mlflow_run_id = tracked.id
    register_towers(pin(shop.towers), room)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Shop]]:
    """Two rooms, each with an index that its gate let pass and that was promoted."""
    with opened(tmp_path_factory.mktemp("rooms")) as first:
        second = publish_towers(seed=1, step="in_batch")
        for shop, alias in ((first, CHAMPION), (second, OTHER)):
            embed(shop)
            build(shop)
            assert judge(shop, alias)["verdict"] == "pass"
            promote.main(promote.Args(report=shop.report, alias=alias))
        yield first, second


@pytest.fixture
def rooms(made: tuple[Shop, Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Shop, Shop]:
    copied(made[0], tmp_path, monkeypatch)
    return made


def served() -> tuple[Pinned, Pinned]:
    return pin_alias(CHAMPION), pin_alias(OTHER)


def test_each_room_serves_its_own_index(rooms: tuple[Shop, Shop], capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.partition for one in served()] == [shop.index for shop in rooms]
    for shop, alias in zip(rooms, (CHAMPION, OTHER), strict=True):
        assert pin_job.main(pin_job.Args(alias=alias))["space"] == shop.space
        assert verify.main(verify.Args(alias=alias))["index"] == str(shop.index)
        search.main(search.Args("red shoes", alias=alias))
        assert str(shop.index) in capsys.readouterr().out.replace("\n", "")


def test_a_rollback_moves_one_room(rooms: tuple[Shop, Shop]) -> None:
    before, other = served()
    build(rooms[0], seed=5)
    promote.main(promote.Args(index=rooms[0].index, registry="skip"))
    with pytest.raises(LookupError, match="nothing served before"):
        promote.main(promote.Args(to="previous", registry="skip", alias=OTHER))
    assert pin_alias(CHAMPION).bundle_id != before.bundle_id
    promote.main(promote.Args(to="previous", registry="skip"))
    assert served() == (before, other)
    assert {alias: len(history) for alias, history in all_histories().items()} == {CHAMPION: 3, OTHER: 1}


def test_each_gate_compares_with_its_own_champion(rooms: tuple[Shop, Shop]) -> None:
    first, second = rooms
    build(second, seed=5)
    assert judge(second, OTHER)["verdict"] == "pass"
    compared = pin(second.report).facts
    assert compared["champion"]["manifest_sha256"] == pin_alias(OTHER).manifest_sha256
    with pytest.raises(ValueError, match=f"judged beside {OTHER}, not {CHAMPION}"):
        promote.main(promote.Args(report=second.report))
    # another index of the first room comes into service meanwhile: the second room's report still holds
    build(first, seed=6)
    promote.main(promote.Args(index=first.index, registry="skip"))
    assert promote.main(promote.Args(report=second.report, alias=OTHER, registry="skip"))["promoted"] is True
    assert [one.partition for one in served()] == [first.index, second.index]
    # judged before the switch, so no longer comparable
    with pytest.raises(RuntimeError, match="rank and judge again"):
        promote.main(promote.Args(report=first.report))


def test_retention_deletes_neither_rooms_bundle(rooms: tuple[Shop, Shop]) -> None:
    told = retention.main(retention.Args(RETENTION.at(ds="2026-10-31"), derived_days=60))
    for shop, pinned in zip(rooms, served(), strict=True):
        assert pinned.files() and pin(shop.towers).files()
        assert not exists(shop.report) and not exists(shop.embeddings())
    reasons = {row["why"] for row in told["held"]}  # type: ignore[attr-defined]
    assert {f"{alias} points at it" for alias in (CHAMPION, OTHER)} <= reasons


def test_the_registry_has_a_model_for_each_room(
    rooms: tuple[Shop, Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first room's towers are registered as older code did it, under a name and by code that are gone."""
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    for shop, alias, model in zip(rooms, (CHAMPION, OTHER), ("two_tower", "visual"), strict=True):
        train(shop, model)
        embed(shop)
        build(shop)
        judge(shop, alias)
        assert promote.main(promote.Args(index=shop.index, alias=alias))["registry"] == f"{model}/1"
        api, pinned = client(), pin_alias(alias)
        assert api.get_model_version_by_alias(model, "champion").tags["index"] == str(pinned.partition)
        assert api.get_model_version_by_alias(model, "challenger").tags["verdict"] == "pass"
    # what `python -m jobs migrate` does for each alias
    assert register_history(OTHER, read_history(OTHER)) == []
    assert register_history(CHAMPION, read_history(CHAMPION)) == ["search/1"]
    assert register_history(CHAMPION, read_history(CHAMPION)) == []
    assert api.get_model_version_by_alias("search", "champion").tags["bundle"] == pin_alias(CHAMPION).bundle_id
    asked = Path(mlflow.pyfunc.get_model_dependencies("models:/search@champion")).read_text("utf-8")
    assert "torch==" in asked and "nightshelf" not in asked  # a name that anybody may take on a public index
    model = mlflow.pyfunc.load_model("models:/search@champion")
    assert model.predict(pd.DataFrame({"query": ["red shoes"]})).shape == (1, 64)

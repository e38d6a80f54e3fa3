"""The marketplace job: the same bytes for the same seed, and both partitions say that they are simulated."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.partitions import CATALOGUE, LABELS
from jobs.lake.read import exists, pin, read_table
from jobs.simulator import marketplace

DS = "2026-01-31"


def made(ds: str = DS, **settings: int) -> marketplace.Args:
    args = marketplace.Args(CATALOGUE.at(ds=ds), LABELS.at(ds=ds), **{"items": 2000, "queries": 150} | settings)
    marketplace.main(args)
    return args


def test_same_seed_same_bytes_another_seed_other_bytes(lake: Path) -> None:
    contents = []
    for seed in (7, 7, 8):
        args = made(seed=seed)
        parts = (args.catalogue, args.labels)
        contents.append([pin(part).manifest.content_sha256 for part in parts])
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]
    assert contents[0][1] != contents[2][1]


def test_what_it_writes_is_the_contract_and_says_simulated(lake: Path) -> None:
    args = made()
    catalogue, labels = pin(args.catalogue), pin(args.labels)
    assert catalogue.manifest.simulated
    assert labels.manifest.simulated
    items = pq.read_table(catalogue.files()[0])
    assert items.column_names == [*("item_id", "title", "category", "brand", "attributes", "price", "group_id")]
    assert items.num_rows == 2000
    assert len(set(items["item_id"].to_pylist())) == 2000
    assert items["attributes"].to_pylist()[0]
    table = read_table(labels)
    assert table.schema.equals(arrow_schema(LABELS))
    assert set(table["item_id"].to_pylist()) <= set(items["item_id"].to_pylist())
    assert set(table["relevance"].to_pylist()) == {0.0, 1.0, 2.0, 3.0}
    assert table["split"].null_count == table.num_rows
    assert len(set(table["query"].to_pylist())) == 150 == labels.facts["queries"]
    assert labels.facts["judgements"] == table.num_rows
    assert labels.manifest.inputs[0].partition == str(args.catalogue)


def test_a_catalogue_alone_for_scale_tests(lake: Path) -> None:
    args = marketplace.Args(CATALOGUE.at(ds=DS), items=100)
    assert marketplace.main(args) == {"catalogue": f"catalogue/ds={DS}", "items": 100}
    assert not exists(LABELS.at(ds=DS))


def test_a_shop_too_small_for_the_queries_gives_what_it_can(lake: Path) -> None:
    args = made(items=2, queries=3000)
    assert 0 < pin(args.labels).facts["queries"] < 3000


@pytest.mark.parametrize("settings", [{"items": 0}, {"queries": 0}, {"relevant_cap": 0}, {"zeros": -1}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        marketplace.Args(CATALOGUE.at(ds=DS), **settings)


def test_labels_of_another_day_are_refused() -> None:
    with pytest.raises(ValueError, match="another day"):
        marketplace.Args(CATALOGUE.at(ds=DS), LABELS.at(ds="2026-02-01"))

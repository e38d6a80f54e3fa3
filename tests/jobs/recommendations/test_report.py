"""The report of lists: what is served beside standing arms, the gate, the alias, and the way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluation import report
from jobs.evaluation.history import earlier_nights
from jobs.evaluation.room import RECOMMENDATIONS as ROOM
from jobs.evaluation.room import SEARCH
from jobs.lake.alias import pin_alias
from jobs.lake.arrow import numbers, strings, where
from jobs.lake.manifest import ARM_LISTS
from jobs.lake.partitions import (
    CO_OCCURRENCES,
    HOLDOUT_QRELS,
    HOLDOUT_QUERIES,
    HOLDOUT_SESSIONS,
    ITEM2VEC,
    ITEM_NEIGHBOURS,
    ITEMS,
    RANKINGS,
    RECOMMENDATIONS,
    REPORT,
    Partition,
)
from jobs.lake.publish import publish
from jobs.lake.read import pin, read_table
from jobs.recommendations import bundle, item_neighbours, neighbour_rankings
from jobs.serving import promote, verify
from tests.jobs.recommendations import shop
from tests.jobs.recommendations.shop import DS, NEW, name

ALIAS = "recommendations/champion"
LATER = "2026-02-01"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partition]:
    """A lake in which lists were judged and promoted; the shard of content vectors."""
    root = tmp_path_factory.mktemp("judged_lists")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_LAKE", str(root / "lake"))
        patch.setenv("NIGHTSHELF_HOME", str(root / "var"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shop.publish_items()
        shop.publish_sessions()
        shop.publish_holdout()
        shard = shop.publish_vectors("content")
        first = judged(shard, "hybrid", DS)
        assert promoted(first) and pin_alias(ALIAS).partition == RECOMMENDATIONS.at(ds=DS)
        yield shard


def neighbours(shard: Partition, method: str) -> Partition:
    made = ITEM_NEIGHBOURS.at(ds=DS, method=method)
    given = (ITEMS.at(ds=DS), CO_OCCURRENCES.at(ds=DS), shard, made)
    holdout = HOLDOUT_SESSIONS.at(ds=DS)
    item_neighbours.main(item_neighbours.Args(*given, holdout_sessions=holdout, depth=30, pool=40, min_sessions=10))
    return made


def bundled(shard: Partition, lists: Partition, ds: str) -> Partition:
    made = RECOMMENDATIONS.at(ds=ds)
    bundle.main(bundle.Args(ITEMS.at(ds=DS), lists, ITEM2VEC.at(ds=DS, method="content"), shard, made))
    return made


def ranked(made: Partition, lists: Partition) -> Partition:
    rankings = RANKINGS.at(ds=made.ds, space=pin(made).facts["lists_id"])
    tables = (table.at(ds=DS) for table in (ITEMS, HOLDOUT_SESSIONS, HOLDOUT_QUERIES, HOLDOUT_QRELS))
    neighbour_rankings.main(neighbour_rankings.Args(made, lists, *tables, rankings))
    return rankings


def reported(made: Partition, rankings: Partition, **settings: Any) -> Partition:
    place = REPORT.at(ds=made.ds, space=rankings.values["space"])
    tables = (table.at(ds=DS) for table in (HOLDOUT_QUERIES, HOLDOUT_QRELS, ITEMS))
    report.main(report.Args(rankings, made, *tables, place, min_support=20, **settings))
    return place


def judged(shard: Partition, method: str, ds: str) -> Partition:
    """Lists of a method, their bundle, rankings and report."""
    lists = neighbours(shard, method)
    made = bundled(shard, lists, ds)
    return reported(made, ranked(made, lists))


def promoted(place: Partition) -> bool:
    return bool(promote.main(promote.Args(report=place, alias=ALIAS))["promoted"])


def summary(place: Partition) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pin(place).path("summary.json").read_text())
    return found


def first_report() -> Partition:
    return REPORT.at(ds=DS, space=pin(RECOMMENDATIONS.at(ds=DS)).facts["lists_id"])


def test_the_report_measures_what_is_served_beside_standing_arms(content: Partition) -> None:
    told = summary(first_report())
    arms = set(told["measures"])
    assert arms == {"served", "hybrid", "knn", "rules", "rrf", "content", "via_popular", "popularity"}
    # the published lists, looked up one by one
    lists = {
        row["item_id"]: row["neighbour_ids"]
        for row in read_table(pin(ITEM_NEIGHBOURS.at(ds=DS, method="hybrid"))).to_pylist()
    }
    ranks = [
        lists[name(session[-2])].index(name(session[-1])) + 1 if name(session[-1]) in lists[name(session[-2])] else 0
        for session in shop.sessions(seed=1, count=240)[::2]
    ]
    by_hand = np.mean([1 / rank if 0 < rank <= 25 else 0 for rank in ranks])
    assert told["queries"] == 120 and told["measures"]["served"]["RR@25"] == pytest.approx(by_hand)
    assert told["measures"]["served"]["Success@10"] == np.mean([0 < rank <= 10 for rank in ranks])
    assert told["measures"]["served"]["RR@25"] > told["measures"]["popularity"]["RR@25"] + 0.1
    # facts of a vector index are none of lists
    assert told["index_recall"] is None and set(told["index"]) == {"items", "depth", "coverage"}
    compared = {(row["arm"], row["against"]) for row in told["comparisons"]}
    assert compared == {("served", arm) for arm in ("rrf", "knn", "rules", "content", "popularity")}
    page = pin(first_report()).path("report.html").read_text()
    assert "recommendations report" in page and "RR@25, served" in page and 'id="mixture"' in page
    mixture = page.partition('id="mixture"')[2].partition("</table>")[0]
    places = [mixture.index(f'<th scope="row">{name}</th>') for name in ("none", "thin", "known")]
    assert places == sorted(places) and mixture.index("<th>after</th>") < mixture.index("<th>before</th>")
    assert "Cut-off" not in page and "index recall" not in page and "R@60" not in page.partition("<footer>")[0]


def test_cold_and_warm_items_and_long_sessions_are_segments(content: Partition) -> None:
    support = summary(first_report())["support"]
    queries = read_table(pin(HOLDOUT_QUERIES.at(ds=DS)))
    tested = where(queries, "split", "test")
    # every judged session's last item has been in no session of split train: publish_holdout makes none
    assert set(strings(tested, "segment")) == {"unseen"} and "last item" not in support
    assert sum(support["given"].values()) == 120 if "given" in support else True
    assert sum(support["category"].values()) == 120


def test_an_item_that_the_bundle_does_not_have_is_served_by_its_words(content: Partition) -> None:
    """Half of the catalogue came in after the champion's bundle was made: its lists are those of the fallback."""
    lists = pin(RECOMMENDATIONS.at(ds=DS))
    rows = read_table(pin(RANKINGS.at(ds=DS, space=lists.facts["lists_id"])))
    served = where(rows, "arm", "served")
    asked = where(read_table(pin(HOLDOUT_QUERIES.at(ds=DS))), "split", "test")
    assert set(strings(served, "query_id")) == set(strings(asked, "query_id")), "no session without a list"
    ranks = served.sort_by([("query_id", "ascending"), ("rank", "ascending")])
    assert numbers(ranks, "rank").min() == 1
    assert {name(row) for row in NEW} & set(strings(served, "item_id")), "new items are shown too"


def upside_down(lists: Partition) -> Partition:
    """A planted fault: the mixture's weights with the wrong sign, so that each list begins with its worst."""
    pinned, turned = pin(lists), lists.having(method="turned")
    rows = read_table(pinned).to_pylist()
    with publish(turned, shop.Args(turned), [pin(HOLDOUT_SESSIONS.at(ds=DS))]) as out:
        out.write_table(pa.Table.from_pylist([{**row, "neighbour_ids": row["neighbour_ids"][::-1]} for row in rows]))
        (out.folder / ARM_LISTS).mkdir()
        for entry in pinned.entries(ARM_LISTS):
            shutil.copyfile(pinned.path(entry.name), out.folder / entry.name)
        out.facts.update(pinned.facts)
        out.count("items", len(rows), len(rows), {})
    return turned


def test_the_same_lists_pass_and_a_worse_mixture_is_stopped(content: Partition) -> None:
    lists = ITEM_NEIGHBOURS.at(ds=DS, method="hybrid")
    same = bundled(content, lists, LATER)
    place = reported(same, ranked(same, lists))
    told = summary(place)
    assert told["verdict"] == "pass" and told["measures"]["champion_served"] == told["measures"]["served"]
    served, turned = pin_alias(ALIAS), upside_down(lists)
    bad = bundled(content, turned, LATER)
    worse = reported(bad, ranked(bad, turned))
    told = summary(worse)
    assert told["verdict"] == "stop" and any(reason.startswith("served RR@25") for reason in told["reasons"])
    assert not promoted(worse) and pin_alias(ALIAS) == served
    champion = served.partition.ds
    assert pin(worse).facts["champion"]["index"] == f"recommendations/ds={champion}"


def test_a_report_of_another_room_is_no_night_of_the_trend(content: Partition) -> None:
    tonight = REPORT.at(ds="2026-02-03", space="0" * 16)
    assert next(night.ds for night in earlier_nights(ROOM, tonight)) == DS
    assert earlier_nights(SEARCH, tonight) == []


def test_the_alias_moves_forward_alone_and_back_by_promote(content: Partition) -> None:
    lists, served = neighbours(content, "hybrid"), pin_alias(ALIAS)
    earlier, later = (bundled(content, lists, ds) for ds in ("2026-01-30", "2026-02-02"))
    assert not promoted(reported(earlier, ranked(earlier, lists))), "a backfill"
    assert promoted(reported(later, ranked(later, lists))) and pin_alias(ALIAS).partition == later
    promote.main(promote.Args(to="previous", alias=ALIAS, registry="skip"))
    assert pin_alias(ALIAS) == served
    # the last task of the DAG `rollback`
    assert verify.main(verify.Args(alias=ALIAS))["index"] == str(served.partition)


def test_what_does_not_belong_together_is_refused(content: Partition) -> None:
    lists = neighbours(content, "hybrid")
    made = bundled(content, lists, "2026-02-02")
    tables = [table.at(ds=DS) for table in (ITEMS, HOLDOUT_SESSIONS, HOLDOUT_QUERIES, HOLDOUT_QRELS)]
    space = pin(made).facts["lists_id"]

    def rank(lists: Partition, space: str) -> None:
        at = RANKINGS.at(ds=made.ds, space=space)
        neighbour_rankings.main(neighbour_rankings.Args(made, lists, *tables, at))

    with pytest.raises(ValueError, match=f"expected space={space}, the lists_id of"):
        rank(lists, "0" * 16)
    with pytest.raises(ValueError, match=r"not made with the present version of item_neighbours/.*method=content"):
        rank(neighbours(content, "content"), space)
    # neighbours that no session judged have no lists of arms
    given = (ITEMS.at(ds=DS), CO_OCCURRENCES.at(ds=DS), content, lists)
    item_neighbours.main(item_neighbours.Args(*given, depth=30, pool=40))
    bundled(content, lists, "2026-02-02")
    with pytest.raises(ValueError, match="not made with the present version of holdout_sessions"):
        rank(lists, pin(made).facts["lists_id"])

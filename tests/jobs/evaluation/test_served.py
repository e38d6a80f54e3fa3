"""Judged lists equal served lists: rankings, gate, latency, verify and the terminal go through Bundle.search."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobs.bundle import reader
from jobs.bundle.reader import Bundle, Hit, open_bundle
from jobs.evaluation import rankings, report
from jobs.lake.arrow import strings, where
from jobs.lake.read import pin, read_table
from jobs.serving import search, verify
from models.fusion.ranked_lists import Ranked, first
from tests.jobs.index.building import build, embed
from tests.jobs.shop import Shop, opened


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose lists are fused, lose near-duplicates and are cut off; ranked beside itself as the champion."""
    with opened(tmp_path_factory.mktemp("served")) as made:
        embed(made)
        build(made, qrels=made.qrels, min_relevance=2.0, lookalikes="0.6")
        judge(made)
        yield made


def judge(shop: Shop) -> dict[str, Any]:
    given = (shop.index, shop.queries, shop.qrels, shop.items, shop.rankings)
    rankings.main(rankings.Args(*given, champion=shop.index))
    given = (shop.rankings, shop.index, shop.queries, shop.qrels, shop.items, shop.report)
    return report.main(report.Args(*given, min_relevance=2.0, min_index_recall=0.9))


def ranked(shop: Shop, arm: str) -> dict[str, list[tuple[str, float]]]:
    """query_id -> (item_id, score) of an arm, best first."""
    lists: dict[str, list[tuple[str, float]]] = {}
    for row in where(read_table(pin(shop.rankings)), "arm", arm).sort_by("rank").to_pylist():
        lists.setdefault(row["query_id"], []).append((row["item_id"], row["score"]))
    return lists


def test_the_served_arm_is_what_a_service_returns(shop: Shop) -> None:
    bundle = open_bundle(pin(shop.index))
    rows = read_table(pin(shop.queries))
    text = dict(zip(strings(rows, "query_id"), strings(rows, "query"), strict=True))
    for arm in ("served", "champion_served"):
        lists = ranked(shop, arm)
        assert len(lists) == 41
        for query_id, shown in lists.items():
            assert shown == [(hit.item_id, hit.score) for hit in bundle.search(text[query_id])]
    hybrid = ranked(shop, "hybrid")
    assert any(len(shown) < len(hybrid[name]) for name, shown in ranked(shop, "served").items()), "nothing was cut"
    whole = bundle.rank(list(text.values()), 200)["hybrid"]
    dropped = [
        set(bundle.hits(whole, place)[:10]) - set(bundle.search(query)) for place, query in enumerate(text.values())
    ]
    assert any(dropped), "no near-duplicate was dropped"


def test_the_gate_reads_the_served_arm_and_the_whole_search(shop: Shop) -> None:
    verdict = json.loads(pin(shop.report).path("verdict.json").read_text())
    names = [check["name"] for check in verdict["checks"]]
    for arm in ("served", "dense"):
        assert f"{arm} R@60 not worse than the champion" in names
    assert not any(name.startswith("hybrid") for name in names)
    facts = pin(shop.rankings).facts
    (cost,) = [check for check in verdict["checks"] if check["name"].startswith("search on one thread")]
    assert cost["found"] == f"{facts['latency_ms']['search_best_of_5_p99_ms']:.2f} ms"
    assert f"{facts['champion']['latency_ms']['search_best_of_5_p99_ms']:.2f}" in cost["expected"]
    summary = json.loads(pin(shop.report).path("summary.json").read_text())
    assert {"served", "dense", "sparse", "hybrid"} <= set(summary["measures"])
    assert summary["nights"][-1]["now"] == summary["measures"]["served"]["R@60"]
    assert "p99 of each query's best of 5" in pin(shop.report).path("report.html").read_text()


def test_a_worse_search_over_the_same_index_is_stopped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arms are as good as before, and what a service returns is not: the fault that the gate could not see."""
    served = Bundle._served
    seen: list[Bundle] = []

    def worse(self: Bundle, query: str) -> Ranked:
        seen.append(self)
        return first(served(self, query), 1) if self is seen[0] else served(self, query)

    monkeypatch.setattr(Bundle, "_served", worse)
    outcome = judge(shop)
    assert outcome["verdict"] == "stop"
    assert any("served R@60 not worse" in reason for reason in outcome["reasons"])
    assert not any("dense R@60" in reason for reason in outcome["reasons"])


def test_verify_and_the_terminal_show_what_search_returns(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []

    def marked(self: Bundle, query: str, top: int = 0, rerank: object = None) -> Sequence[Hit]:
        calls.append(query)
        return [Hit("marked", f"marked for {query}", 1.0)]

    monkeypatch.setattr(reader.Bundle, "search", marked)
    monkeypatch.setenv("COLUMNS", "120")
    search.main(search.Args("red shoes", shop.index))
    assert "marked for red shoes" in capsys.readouterr().out and set(calls) == {"red shoes"}
    calls.clear()
    verify.main(verify.Args(shop.index, shop.queries))
    assert len(set(calls)) == 41 and len(calls) == 10 + 5 * 41  # to warm up, then five rounds

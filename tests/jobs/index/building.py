"""From a shop's tables and towers to its index, as the DAGs do it."""

from __future__ import annotations

from typing import Any

from jobs.embeddings import embed as embeddings
from jobs.index import build as index
from jobs.index import codes, trained_index
from tests.jobs.shop import Shop


def embed(shop: Shop, shards: int = 2) -> None:
    for number in range(shards):
        target = shop.embeddings(f"{number}of{shards}")
        embeddings.main(embeddings.Args(shop.items, shop.towers, target, chunk_items=100))


def build(shop: Shop, shards: int = 2, factory: str = "IVF16,SQ8", **settings: object) -> None:
    names = ("hydration", "item_features") if settings.get("hydration") else ()
    numbers: dict[str, Any] = {name: settings[name] for name in names}
    quantised = trained_index.Args(
        shop.embeddings(),
        shop.towers,
        shop.queries,
        shop.trained_index,
        factory=factory,
        recall_target=0.9,
        recall_depth=20,
        tune_items=1000,
        **numbers,
    )
    trained_index.main(quantised)
    for number in range(shards):
        shard = f"{number}of{shards}"
        codes.main(codes.Args(shop.embeddings(shard), shop.trained_index, shop.codes(shard), **numbers))
    wanted = {"recall_depth": 20, "recall_target": 0.98} | settings
    given = (shop.codes(), shop.trained_index, shop.embeddings(), shop.towers, shop.items, shop.queries, shop.index)
    index.main(index.Args(*given, **wanted))  # type: ignore[arg-type]

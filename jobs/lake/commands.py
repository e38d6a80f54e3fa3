"""The commands of each room, in the order of a night. Standard library only, because DAG files import it.

A command is named by the table that it writes, or by what it does where it writes none.
"""

from __future__ import annotations

COMMANDS: dict[str, dict[str, str]] = {
    "ingest": {
        "land": "land",
        "items": "items",
        "impressions": "impressions",
        "session_events": "session_events",
        "replay": "replay",
    },
    "datasets": {
        "click_counts": "click_counts",
        "propensities": "propensities",
        "item_features": "item_features",
        "queries": "queries",
        "pairs": "pairs",
        "unclicked": "unclicked",
        "qrels": "qrels",
        "holdout_sessions": "holdout_sessions",
    },
    "quality": {"expect": "expect", "suites": "suites", "metrics": "prometheus"},
    "towers": {
        "prodbert": "pretrain",
        "towers": "train",
        "cross_encoder": "train_cross_encoder",
        "negatives": "negatives",
        "refresh": "refresh",
        "ensemble": "ensemble",
        "tower_metrics": "exact_evaluation",
    },
    "embeddings": {"embeddings": "embed"},
    "index": {"hydration": "fit_hydration", "trained_index": "trained_index", "codes": "codes", "index": "build"},
    "recommendations": {
        "session_items": "session_items",
        "co_occurrences": "co_occurrences",
        "item2vec": "item2vec",
        "item_embeddings": "item_embeddings",
        "item_neighbours": "item_neighbours",
        "user_recommendations": "user_recommendations",
        "recommendations": "bundle",
        "neighbour_rankings": "neighbour_rankings",
        "recommend": "recommend",
    },
    "evaluation": {"rankings": "rankings", "report": "report", "compare": "compare", "evaluate": "evaluate_trec"},
    "reranking": {"listings": "listings", "ranker": "train", "reranked": "rank"},
    "serving": {"pin": "pin", "promote": "promote", "verify": "verify", "freshness": "freshness", "search": "search"},
    "privacy": {"retention": "retention", "erase": "erase_clients", "housekeeping": "housekeeping"},
    "experiments": {"sweep": "sweep", "categories": "category_index"},
    "simulator": {"marketplace": "marketplace", "simulate": "simulate", "labelled": "import_dataset"},
    "platform": {
        "ready": "ready",
        "check": "check",
        "lineage": "lineage",
        "migrate": "migrate",
        "replay_tracking": "replay_tracking",
    },
    "local": {"demo": "demo", "up": "up", "site": "site", "batch": "batch", "pictures": "pictures"},
}


def is_command(name: str) -> bool:
    """Whether there is such a command."""
    return any(name in commands for commands in COMMANDS.values())


def module_of(command: str) -> str:
    """The module of a command: `pairs` -> `jobs.datasets.pairs`.

    Raises:
        ValueError: there is no such command; the message names one that looks like it.
    """
    for room, commands in COMMANDS.items():
        if command in commands:
            return f"jobs.{room}.{commands[command]}"
    from difflib import get_close_matches

    near = get_close_matches(command, [name for commands in COMMANDS.values() for name in commands], n=1)
    hint = f"did you mean {near[0]}?" if near else "`python -m jobs` lists them"
    raise ValueError(f"{command!r} is not a command; {hint}")


def command_of(module: str) -> str:
    """The command of a module: `jobs.datasets.pairs` -> `pairs`; the module's own name where it is no command."""
    for room, commands in COMMANDS.items():
        for command, file in commands.items():
            if module == f"jobs.{room}.{file}":
                return command
    return module

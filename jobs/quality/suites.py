"""Rules of each table -> their pages in the Data Docs.

    python -m jobs suites

Checks that every rule can be judged, and writes the rules' pages of the Data Docs. Run it after a change to a rule.
"""

from __future__ import annotations

import logging

from jobs.lake.columns import COLUMNS
from jobs.platform import cli
from jobs.platform.arguments import CommandArgs
from jobs.quality import data_docs
from jobs.quality.derived_columns import DERIVED
from jobs.quality.judge import expected_range
from jobs.quality.metrics import ROWS, metrics_of
from jobs.quality.rules import Rules, rules_of, tables_with_rules

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """tables  whose rules to check, separated by commas; empty: all"""

    tables: str = ""


def main(args: Args) -> dict[str, object]:
    """Check the rules, then write their pages."""
    tables = [name.strip() for name in args.tables.split(",") if name.strip()] or tables_with_rules()
    for table in tables:
        check_rules(rules_of(table))
    pages = data_docs.write_rules(set(tables))
    log.info("%d tables, %d rules", len(tables), sum(len(rules_of(table).rules) for table in tables))
    return {"pages": [str(page) for page in pages]}


def check_rules(suite: Rules) -> None:
    """Check that every rule can be judged.

    Raises:
        ValueError: two rules with one sentence, an unknown expectation, or a column that the table does not have.
    """
    texts = [rule.text for rule in suite.rules]
    if again := {text for text in texts if texts.count(text) > 1}:
        raise ValueError(f"{suite.table}: found more than one rule {again.pop()!r}; expected a sentence for each")
    known = {*COLUMNS[suite.table], *DERIVED.get(suite.table, {})}
    for rule in suite.rules:
        expected_range(rule, {ROWS: 0})
        if strange := {column for metric in metrics_of([rule]) for column in metric.columns} - known:
            raise ValueError(
                f"{suite.table}: {rule.text}: found the column {strange.pop()}; expected one of {', '.join(sorted(known))}"
            )


if __name__ == "__main__":
    cli.run(Args, main)

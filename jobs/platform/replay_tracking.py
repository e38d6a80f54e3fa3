"""Send to MLflow all that it missed while it was down.

python -m jobs replay_tracking

Sends the journals in NIGHTSHELF_HOME/mlflow_journal, the oldest first, and deletes what was sent: figures, settings,
artefacts and ends of mlflow_runs, and towers and aliases of the registry. It may be run at any time and twice.
"""

from __future__ import annotations

import logging

from jobs.platform.arguments import CommandArgs
from jobs.platform.registry import deliver_event
from jobs.platform.tracking import client, deliver, journal_folder
from jobs.platform.tracking_journal import ALERTED, journals

log = logging.getLogger(__name__)


class Args(CommandArgs):
    """Nothing to set."""


def main(args: Args) -> dict[str, object]:
    """Send all that waits.

    Raises:
        RuntimeError: MLflow refused a journal, which stays; names each with its reason.
    """
    api, sent, running, refused = client(), 0, 0, []
    for path in journals(journal_folder()):
        try:
            done = (deliver_event if "-registry" in path.name else deliver)(api, path)
        except Exception as error:  # noqa: BLE001 the other journals are sent all the same
            refused.append(f"{path}: {error}")
        else:
            sent, running = sent + done, running + (not done)
    (journal_folder() / ALERTED).unlink(missing_ok=True)
    if refused:
        raise RuntimeError("\n".join([f"{sent} journals sent, {len(refused)} refused:", *refused]))
    return {"sent": sent, "running": running}

"""MLflow, the Data Docs and the reports in Airflow's menu, which stands behind its login.

Where they are, NIGHTSHELF_SITE_URL and NIGHTSHELF_MLFLOW_URL say; without them the menu stays as it is.
"""

from __future__ import annotations

import os

from airflow.plugins_manager import AirflowPlugin


def views(site: str, mlflow: str) -> list[dict[str, str]]:
    """Menu entries: the site's pages inside Airflow's frame, MLflow in a tab of its own."""
    menu = {"destination": "nav", "category": "browse"}
    found = []
    if site:
        found += [
            {**menu, "name": "Reports", "href": f"{site}/", "url_route": "reports"},
            {
                **menu,
                "name": "Data Docs",
                "href": f"{site}/data_docs/index.html",
                "url_route": "data-docs",
            },
        ]
    if mlflow:
        found.append({**menu, "name": "MLflow", "href": mlflow})
    return found


class NightshelfViews(AirflowPlugin):
    """The plugin that Airflow finds in its plugins folder."""

    name = "nightshelf_views"
    external_views = views(
        os.environ.get("NIGHTSHELF_SITE_URL", ""), os.environ.get("NIGHTSHELF_MLFLOW_URL", "")
    )

"""Prepare the volumes and databases of the stack; run at each `up`.

Passwords and Spark's secret as files that this user alone may read, Airflow's tables, pools and accounts.
"""

from __future__ import annotations

import os
from pathlib import Path

from jobs.local.airflow_env import USER, manager, migrate, write_passwords


def main() -> None:
    """Write the files, migrate the database."""
    os.umask(0o077)
    manager()  # settings of the login that contradict each other
    airflow = Path(os.environ["AIRFLOW_HOME"])
    airflow.mkdir(parents=True, exist_ok=True)
    write_passwords(os.environ, {USER: os.environ["AIRFLOW_ADMIN_PASSWORD"]})
    (airflow / "simple_auth_manager_passwords.json.generated").unlink(missing_ok=True)  # of older versions, mode 0644
    settings = Path(__file__).with_name("spark.conf").read_text("utf-8")
    _write(
        Path(os.environ["NIGHTSHELF_HOME"]) / "spark.conf",
        f"{settings}spark.authenticate.secret {os.environ['SPARK_SECRET']}\n",
    )
    migrate(os.environ)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)


if __name__ == "__main__":
    main()

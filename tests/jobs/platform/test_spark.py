"""The Spark session of a job on one machine: nobody else reaches it, and its files are as private as the job's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.lake.storage import umask

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
def test_a_local_session_is_on_the_loopback_and_has_no_page(spark: SparkSession) -> None:
    conf = spark.sparkContext.getConf()
    assert spark.sparkContext.uiWebUrl is None
    assert (conf.get("spark.driver.host"), conf.get("spark.driver.bindAddress")) == ("127.0.0.1", "127.0.0.1")
    assert int(str(conf.get("spark.hadoop.fs.permissions.umask-mode")), 8) & umask() == umask()

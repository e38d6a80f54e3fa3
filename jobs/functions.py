"""The two functions of models.normalise that SQL texts call: NORMALISE_QUERY and SPLIT_OF, over Arrow batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from models import normalise

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_functions(spark: SparkSession) -> None:
    """Make the functions known to this session's SQL."""
    from pyspark import cloudpickle
    from pyspark.sql.pandas.functions import arrow_udf

    # by value: a cluster's workers need no copy of this code
    cloudpickle.register_pickle_by_value(normalise)  # type: ignore[no-untyped-call]
    for name, function in (
        ("normalise_query", normalise.normalise_query),
        ("split_of", normalise.split_of),
    ):
        over = arrow_udf(_over_distinct(function), "string")  # type: ignore[call-overload]
        spark.udf.register(name, over)


def _over_distinct(
    function: Callable[[str], str],
) -> Callable[[pa.StringArray], pa.StringArray]:
    """A text -> text function over a batch: called once for each distinct text, NULL stays NULL."""

    def over(texts: pa.StringArray) -> pa.StringArray:
        coded = texts.dictionary_encode()
        found = [function(text) for text in coded.dictionary.to_pylist() if text is not None]
        plain = pa.DictionaryArray.from_arrays(coded.indices, pa.array(found, pa.string()))
        return cast(pa.StringArray, plain.cast(pa.string()))

    # Spark reads the kind of function off these, and cannot where they are text
    over.__annotations__ = {"texts": pa.Array, "return": pa.Array}
    return over

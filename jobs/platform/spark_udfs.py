"""The functions that SQL texts call beyond SQL: CLEAN_QUERY, NORMALISE_QUERY and SPLIT_OF, over Arrow batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from models import privacy as personal
from models.text import normalise

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# what a query becomes of which nothing is left but masks
NOTHING_ELSE = "<personal>"
Over = Callable[[pa.StringArray], pa.StringArray]


def register_functions(spark: SparkSession) -> None:
    """Make the functions known to this session's SQL."""
    import sys

    from pyspark import cloudpickle
    from pyspark.sql.pandas.functions import arrow_udf

    # by value: a cluster's workers need no copy of this code
    for module in (normalise, personal, sys.modules[__name__]):
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    for name, over in FUNCTIONS.items():
        spark.udf.register(name, arrow_udf(over, "string"))  # type: ignore[call-overload]


def clean_queries(texts: pa.StringArray) -> pa.StringArray:
    """Texts as typed -> personal data masked, one spelling; NOTHING_ELSE where only masks are left."""
    coded = texts.dictionary_encode()
    words = coded.dictionary
    # few texts can hold anything personal at all: the rest is not looked at twice
    suspect = pc.match_substring_regex(words, personal.SUSPECT).to_pylist()
    typed = cast(list[str], words.to_pylist())
    found = [
        _cleaned(text) if doubt else normalise.normalise_query(text) for text, doubt in zip(typed, suspect, strict=True)
    ]
    return _spread(coded, found)


def _cleaned(text: str) -> str:
    masked = personal.mask_personal(text)
    return NOTHING_ELSE if masked != text and personal.is_only_personal(masked) else normalise.normalise_query(masked)


def _over_distinct(function: Callable[[str], str]) -> Over:
    """A text -> text function over a batch: called once for each distinct text, NULL stays NULL."""

    def over(texts: pa.StringArray) -> pa.StringArray:
        coded = texts.dictionary_encode()
        return _spread(coded, [function(text) for text in cast(list[str], coded.dictionary.to_pylist())])

    return over


def _spread(coded: Any, found: list[str]) -> pa.StringArray:
    plain = pa.DictionaryArray.from_arrays(coded.indices, pa.array(found, pa.string()))
    return cast(pa.StringArray, plain.cast(pa.string()))


FUNCTIONS: dict[str, Over] = {
    "clean_query": clean_queries,
    "normalise_query": _over_distinct(normalise.normalise_query),
    "split_of": _over_distinct(normalise.split_of),
}
for _function in FUNCTIONS.values():
    # Spark reads the kind of function off these, and cannot where they are text
    _function.__annotations__ = {"texts": pa.Array, "return": pa.Array}

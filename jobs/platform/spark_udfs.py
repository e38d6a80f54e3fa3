"""User-defined functions of the SQL texts over Arrow batches: CLEAN_QUERY, NORMALISE_QUERY and SPLIT_OF."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from models import privacy as personal
from models.text import normalise

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# a query with nothing left but masks
NOTHING_ELSE = "<personal>"
TextFunction = Callable[[pa.StringArray], pa.StringArray]


def register_functions(spark: SparkSession) -> None:
    """Register the functions in the session."""
    import sys

    from pyspark import cloudpickle
    from pyspark.sql.pandas.functions import arrow_udf

    # pickle by value: the workers of a cluster need no copy of this code
    for module in (normalise, personal, sys.modules[__name__]):
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    for name, function in FUNCTIONS.items():
        spark.udf.register(name, arrow_udf(function, "string"))  # type: ignore[call-overload]


def clean_queries(texts: pa.StringArray) -> pa.StringArray:
    """Mask personal data and normalise the spelling; NOTHING_ELSE if only masks are left.

    A text stays whole, so that sql/bot_flags.sql can tell one that is too long (QUERY_CHARS).
    """
    coded = texts.dictionary_encode()
    # a cheap test first: few texts can hold personal data
    suspect = pc.match_substring_regex(coded.dictionary, personal.SUSPECT).to_pylist()
    typed = cast(list[str], coded.dictionary.to_pylist())
    cleaned = [
        _cleaned(text) if is_suspect else normalise.normalise_text(text)
        for text, is_suspect in zip(typed, suspect, strict=True)
    ]
    return _decoded(coded, cleaned)


def _cleaned(text: str) -> str:
    masked = personal.mask_personal(text)
    return NOTHING_ELSE if masked != text and personal.is_only_personal(masked) else normalise.normalise_text(masked)


def _over_distinct(function: Callable[[str], str]) -> TextFunction:
    """Apply a function to a batch, once per distinct text; NULL stays NULL."""

    def over(texts: pa.StringArray) -> pa.StringArray:
        coded = texts.dictionary_encode()
        return _decoded(coded, [function(text) for text in cast(list[str], coded.dictionary.to_pylist())])

    return over


def _decoded(coded: Any, values: list[str]) -> pa.StringArray:
    plain = pa.DictionaryArray.from_arrays(coded.indices, pa.array(values, pa.string()))
    return cast(pa.StringArray, plain.cast(pa.string()))


FUNCTIONS: dict[str, TextFunction] = {
    "clean_query": clean_queries,
    "normalise_query": _over_distinct(normalise.normalise_query),
    "split_of": _over_distinct(normalise.split_of),
}
for _function in FUNCTIONS.values():
    # Spark derives the kind of function from the annotations, and cannot resolve them as text
    _function.__annotations__ = {"texts": pa.Array, "return": pa.Array}

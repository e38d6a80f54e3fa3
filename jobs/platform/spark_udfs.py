"""User-defined functions of the SQL texts over Arrow batches: CLEAN_QUERY, CLEAN_VALUE, CLEAN_ID and others."""

from __future__ import annotations

import ast
import json
import math
import re
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
# what exports write where a value is missing
ABSENT = ("", "nan", "null", "none", "undefined", "<na>", "#n/a", "#ref!", "#name?", "#value!")
_ABSENT = rf"^ *(?i:{'|'.join(map(re.escape, ABSENT[1:]))}) *$"
# JSON texts that `clean_texts` would break, or that Python wrote: {'size': None}
UNCLEAN_JSON = rf"""{normalise.UNCLEAN}|\\u|[']|</?[a-zA-Z]|^\s*"\s*[\[{{]|\b(?:None|True|False|nan|NaN)\b|{_ABSENT}"""
# texts that `_clean_value` may change
UNCLEAN_VALUE = rf"{normalise.UNCLEAN}|^[\[{{]|</?[a-zA-Z]|{_ABSENT}"
# marks of HTML that editors put into titles; other words in angle brackets are text
_TAG = re.compile(
    r"</?(?:a|b|big|br|div|em|font|h[1-6]|hr|i|img|li|mark|nobr|ol|p|small|span|strong|sub|sup|u|ul|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
# RE2: what stands around an id but is not part of it, and ids that a reader of floats wrote: 1.0, 1.0E10
ID_EDGES = r"^[\s\pZ\p{Cf}]+|[\s\pZ\p{Cf}]+$"
# a list of one id, or MongoDB's: {"$oid": "65b9"}
LIST_OF_ONE = r'^(?:\[\s*"?([^\[\]",]+)"?\s*\]|\{\s*"\$(?:oid|numberLong)"\s*:\s*"([^"]+)"\s*\})$'
FLOAT_ID = r"^(-?\d+)\.0+$"
EXPONENT_ID = r"^\d\.\d+E1?\d$|^\d(?:\.\d+)?e\+1\d$"
EXACT = 2.0**53  # above it a float stands for several whole numbers
_NAN = re.compile(r"([:,\[(]\s*)nan(?=\s*[],})])")  # as Python writes it, which it does not read
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
    # clean first: an address behind `&#64;` or a joiner is an address
    distinct = clean_texts(cast(pa.StringArray, coded.dictionary))
    # a cheap test first: few texts can hold personal data
    suspect = pc.match_substring_regex(distinct, personal.SUSPECT).to_pylist()
    typed = cast(list[str], distinct.to_pylist())
    cleaned = [
        _cleaned(text) if is_suspect else normalise.normalise_text(text)
        for text, is_suspect in zip(typed, suspect, strict=True)
    ]
    return _decoded(coded, cleaned)


def clean_texts(texts: pa.StringArray) -> pa.StringArray:
    """`clean_text` of each text; only those that it may change are read in Python."""
    return _replaced(texts, normalise.UNCLEAN, normalise.clean_text)


def clean_values(texts: pa.StringArray) -> pa.StringArray:
    """`clean_text` of fields that hold one text, without HTML marks: a list of one is its text, `nan` is none."""
    return _replaced(texts, UNCLEAN_VALUE, _clean_value)


def clean_json_texts(texts: pa.StringArray) -> pa.StringArray:
    """`clean_text` of each text inside a JSON value; of the whole text if it is no JSON. Python's literals become JSON."""
    return _replaced(texts, UNCLEAN_JSON, _clean_json)


def clean_ids(texts: pa.StringArray) -> pa.StringArray:
    """Ids of the catalogue, of labels and of logs in one form: no blanks around them, and 1.0 is 1."""
    bare = pc.replace_substring_regex(texts, ID_EDGES, "")
    bare = pc.replace_substring_regex(bare, LIST_OF_ONE, r"\1\2")
    bare = pc.replace_substring_regex(bare, FLOAT_ID, r"\1")
    large = _matching(bare, EXPONENT_ID)
    if not large.true_count:
        return bare
    numbers = bare.filter(large).cast(pa.float64())
    whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less_equal(numbers, EXACT))
    written = pc.if_else(whole, pc.floor(numbers).cast(pa.int64(), safe=False).cast(pa.string()), bare.filter(large))
    return cast(pa.StringArray, pc.replace_with_mask(bare, large, written))


def _matching(texts: pa.StringArray, pattern: str) -> pa.BooleanArray:
    found = pc.match_substring_regex(texts, pattern)
    # a scalar of Python's would import pandas in every worker
    return cast(pa.BooleanArray, pc.and_kleene(pc.is_valid(found), found))


def _replaced(texts: pa.StringArray, pattern: str, function: Callable[[str], str]) -> pa.StringArray:
    """Apply a function to the texts that match the pattern."""
    matched = _matching(texts, pattern)
    if not matched.true_count:
        return texts
    found = [function(text) for text in cast(list[str], texts.filter(matched).to_pylist())]
    return cast(pa.StringArray, pc.replace_with_mask(texts, matched, pa.array(found, pa.string())))


def _clean_value(text: str) -> str:
    """Of several texts in a list the first; an object of several stays one, for sql/items.sql to reject."""
    if text.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and len(value) == 1:
            value = list(value.values())
        if isinstance(value, list) and value and isinstance(value[0], str | int | float):
            text = str(value[0])
    return _plain(text)


def _plain(text: str) -> str:
    text = normalise.clean_text(text)
    if "<" in text:
        text = normalise.clean_text(_TAG.sub(" ", text))
    return "" if text.lower() in ABSENT else text


def _clean_json(text: str) -> str:
    if text.lstrip().startswith('"'):
        text = _encoded_twice(text)
    if not text.lstrip().startswith(("{", "[")):
        return _plain(text)
    for read in (json.loads, lambda written: ast.literal_eval(_NAN.sub(r"\1None", written))):
        try:
            return json.dumps(_clean_values(read(text.strip())), ensure_ascii=False)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return _plain(text)


def _encoded_twice(text: str) -> str:
    """The JSON text of an object or a list inside a JSON text."""
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return inner if isinstance(inner, str) and inner.lstrip().startswith(("{", "[")) else text


def _clean_values(value: Any) -> Any:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, dict):
        return {normalise.clean_text(str(name)): _clean_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_clean_values(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


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
    "clean_value": clean_values,
    "clean_json": clean_json_texts,
    "clean_id": clean_ids,
    "normalise_query": _over_distinct(normalise.normalise_query),
    "split_of": _over_distinct(normalise.split_of),
}
for _function in FUNCTIONS.values():
    # Spark derives the kind of function from the annotations, and cannot resolve them as text
    _function.__annotations__ = {"texts": pa.Array, "return": pa.Array}

"""ROOM=personal: personal data in queries, what is found of it, what is masked by mistake, and how fast.

    python -m tests.benchmarks.personal

Three wordings of a labelled set (tests/models/personal_cases.py). A case counts as found where every word of its data
is gone. Precision of a kind: among all texts that its placeholder is put into, those that hold such data.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from models.privacy import KINDS, SUSPECT, mask_personal
from tests.benchmarks._compare import compare, cpu_s
from tests.models.privacy.personal_cases import FIRST, SECOND, THIRD, Case, hard, ordinary, personal
from tests.models.privacy.personal_score import Share, false_frac, recall

EACH = 400  # cases of a kind
EACH_HARD = 300  # product queries of a family
ORDINARY = 20_000
PERSONAL_FRAC = 0.01  # of the texts that speed is measured on


def line(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")


def by_kind(wording: str, cases: list[Case]) -> None:
    """Recall and precision of each kind; bare phone numbers stand in lines of their own."""
    hits, given = Counter[str](), Counter[str]()
    shares: dict[str, Share] = {}
    for case in cases:
        masked = mask_personal(case.text)
        for kind in set(re.findall(r"<([a-z]+)>", masked)):
            given[kind] += 1
            hits[kind] += kind == case.kind
        if case.kind and "beside a product" not in case.family:
            shares.setdefault(case.kind, Share()).add(not case.leaks(masked))
    for kind in KINDS:
        line(
            name=f"personal data, {kind}",
            wording=wording,
            recall=round(shares[kind].frac, 4),
            precision=round(hits[kind] / given[kind], 4),
            n=shares[kind].n,
        )
    for family, share in recall(cases).items():
        line(name=f"found, {family}", wording=wording, recall=round(share.frac, 4), n=share.n)


def by_family(wording: str, cases: list[Case]) -> None:
    """Share of product queries of which something is masked."""
    shares = false_frac(cases)
    for family, share in shares.items():
        line(name=f"masked by mistake, {family}", wording=wording, frac=round(share.frac, 4), n=share.n)
    some = [share for family, share in shares.items() if family != "ordinary"]
    hits, n = sum(one.hits for one in some), sum(one.n for one in some)
    line(name="masked by mistake, all that look alike", wording=wording, frac=round(hits / n, 5), n=n)


def filtered(texts: pa.Array) -> pa.Array:
    """The texts masked: Arrow says which could need it, those alone are looked at."""
    suspect = pc.match_substring_regex(texts, SUSPECT)
    masked = [mask_personal(text) for text in texts.filter(suspect).to_pylist()]
    return pc.replace_with_mask(texts, suspect, pa.array(masked, pa.string()))


def speed() -> None:
    """Texts per CPU second with the filter before, and without; then the cost of a text in which something is found."""
    some = [case.text for case in personal(FIRST, int(ORDINARY * PERSONAL_FRAC / 11))]
    made = [case.text for case in ordinary(ORDINARY, 11)]
    texts = pa.array(made + some, pa.string())
    plain = texts.to_pylist()
    assert filtered(texts).to_pylist() == [mask_personal(text) for text in plain]
    frac = round(pc.mean(pc.match_substring_regex(texts.slice(0, ORDINARY), SUSPECT)).as_py(), 5)
    compare(
        "masking behind the filter",
        lambda: filtered(texts),
        lambda: [mask_personal(text) for text in plain],
        "mask_personal on every text",
        len(plain),
        "texts",
        f"{PERSONAL_FRAC:.0%} hold personal data, {frac:.2%} of the others pass the filter",
    )
    seconds = min(cpu_s(lambda: [mask_personal(text) for text in some]) for _ in range(3))
    line(name="masking where something is found", ours=round(len(some) / seconds), unit="texts/cpu_s")


def main() -> None:
    """Recall and precision, mistakes, speed."""
    for wording in (FIRST, SECOND, THIRD):
        cases = [*personal(wording, EACH), *hard(wording, EACH_HARD), *ordinary(2_000, 7)]
        by_kind(wording, cases)
        by_family(wording, cases)
    speed()


if __name__ == "__main__":
    main()

"""The visitors of a simulated day: their ids in the log, and the application that each one uses."""

import json
import zlib
from collections.abc import Iterable

import numpy as np

from models.simulator.arrays import Ints, Words
from models.simulator.marketplace.counter_rng import bits, uniform
from models.simulator.traffic import Traffic, is_bot
from models.simulator.ubi import SearchTexts, hexed
from models.simulator.unusual_queries import UnusualQueries

_APP_FRAC = 0.35  # of clients; the rest come by the web
_NO_SESSION_FRAC = 0.05  # sessions whose id is never sent
MAX_SKEW_S = 900.0  # of a wrong clock, to either side


def json_safe(texts: Iterable[str]) -> Words:
    """Return each text as the inside of a JSON string."""
    return np.array([json.dumps(text, ensure_ascii=False)[1:-1] for text in texts], dtype=object)


def ranking(seed: int, texts: Words) -> Ints:
    """Return the queries [Q], the most popular first; the same on every day a query is there.

    Short queries tend to the head, as in real logs: a draw grows with the number of words.
    """
    marks = np.array([zlib.crc32(text.casefold().encode()) for text in texts], dtype=np.int64)
    words = np.strings.count(texts.astype(np.str_), " ") + 1
    return np.argsort(uniform(seed, "popularity", marks) * words**1.5, kind="stable")


class Identities:
    """Names for a day's traffic. People keep theirs from day to day, bots and sessions do not.

    dialects [S]: the application of each search, by its client (index into `ubi.DIALECTS`); skews [S]: seconds by
    which the client's clock is ahead, nearly always 0.
    """

    def __init__(
        self, seed: int, ds: str, traffic: Traffic, texts: Words, asked: UnusualQueries, skew_frac: float = 0.0
    ) -> None:
        self._seed, self._ds, self._traffic = seed, ds, traffic
        self._texts, self._safe, self._typed = texts, json_safe(texts), asked
        person_names = hexed(bits(seed, "client", traffic.clients))
        bot_names = hexed(bits(seed, f"robot {ds}", traffic.clients))
        self.clients = np.where(is_bot(traffic.kinds), bot_names, person_names)
        self.dialects: Ints = (uniform(seed, "application", traffic.clients) < _APP_FRAC).astype(np.int64)
        wrong = uniform(seed, "wrong clock", traffic.clients) < skew_frac
        ahead = MAX_SKEW_S * (2 * uniform(seed, "skew", traffic.clients) - 1)
        self.skews = np.where(wrong, ahead, 0.0)

    def words(self, numbers: Ints) -> SearchTexts:
        """Return ids, clients, sessions and texts of these searches, safe inside JSON strings."""
        sessions = self._traffic.sessions[numbers]
        names = "s-" + hexed(bits(self._seed, f"session {self._ds}", sessions))
        unsent = uniform(self._seed, f"no session {self._ds}", sessions) < _NO_SESSION_FRAC
        halves = [hexed(bits(self._seed, f"search {half} {self._ds}", numbers)) for half in "ab"]
        return SearchTexts(
            ids=halves[0] + halves[1],
            clients=np.array("c-", dtype=object) + self.clients[numbers],
            sessions=np.where(unsent, "", names).astype(object),
            texts=self._typed.texts(numbers, self._safe[self._traffic.queries[numbers]]),
        )

    def typed(self, numbers: Ints) -> Words:
        """Return the texts of these searches as they were typed."""
        return self._typed.texts(numbers, self._texts[self._traffic.queries[numbers]])

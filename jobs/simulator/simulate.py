"""Catalogue and labels -> a day's search log, simulated.

python -m jobs simulate --labels labels/ds=2026-01-31 --catalogue catalogue/ds=2026-01-31 \\
    --log log/ds=2026-01-31 --simulated_truth simulated_truth/ds=2026-01-31

Clicks of people: P = rank ** -eta * (noise + (1 - noise) * gain(relevance)), see models.simulator.click_model. Result lists: lexical with
noise, see models.simulator.shop_engine. Queries of the labels' split `test` are never typed; where the labels leave the split to
the query's hash (NULL), all are typed, and later commands keep the hash's test side out of training. Bots:
see models.simulator.bots. The day is that of NIGHTSHELF_TIME_ZONE. Several days, each with the late deliveries of those before:

python -m jobs simulate ... --delayed_frac 0.01 --simulated_truth simulated_truth/ds=2026-01-30
python -m jobs simulate ... --delayed_frac 0.01 --simulated_truth simulated_truth/ds=2026-01-31 --before simulated_truth/ds=2026-01-30
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, Fraction, NonNegativeFloat, NonNegativeInt, OneOf, PositiveInt
from jobs.platform.progress import progress
from jobs.simulator.item_traits import taste_catalogue
from jobs.simulator.log import LogFormat, LogWriter, days_after
from jobs.simulator.scene import Scene, length_s, scene
from jobs.simulator.shop import read_shop
from jobs.simulator.truth import TruthWriter, write_tastes
from jobs.simulator.write_ndjson import NdjsonFormat
from jobs.simulator.write_parquet import ParquetFormat
from models.simulator.click_model import ClickModel
from models.simulator.day import DaySettings, as_records
from models.simulator.delivery import Faults
from models.simulator.taste import Taste
from models.simulator.traffic_mix import TrafficMix
from models.simulator.unusual_queries import UnusualShares


class Args(CommandArgs):
    """labels            queries with judged items
    catalogue         the items that were judged
    log               output: UBI files of the day, one per application; replaced
    simulated_truth   output: propensities, which events belong to whom, counts of every planted fault; replaced
    before            simulated_truth of the days before, separated by commas: their late deliveries enter this log
    layout            of the log; parquet has the same records without a line of text
    searches          searches of the day, bots' included
    results           items shown per search at most
    eta               how fast attention falls with rank: P(examined) = rank ** -eta
    click_noise       chance that an examined irrelevant item is clicked
    zipf              inequality of the queries: the share of the k-th is proportional to 1 / k ** zipf
    bot_frac          share of searches made by bots
    storm_searches    further searches of a few bots that send the most frequent query within an hour
    duplicate_frac    share of events that arrive twice
    redelivered_frac  share of events that arrive again in the log of the next day
    late_frac         share of events stamped on the day after, from 7 in the morning on
    delayed_frac      share of events that arrive in the log of one of the next three days, with their true stamps;
                      and a tenth of this share of searches, with all their events
    skew_frac         share of clients whose clock is up to 15 minutes off
    malformed_frac    unreadable lines, as a share of the good ones
    personal_frac     share of people's searches with personal data in their text, all of it fake
    rare_frac         share of people's searches with a text that only 1 to 4 clients type
    taste             share of people's behaviour that follows their taste: home categories, brands, price band, size; they
                      then act outside searches too. 0: popularity alone
    drift_weeks       weeks after which the home categories of a client change; 0: never
    appeal            spread of what words do not say of an item and buyers see, the same every day: standard deviation of
                      the logarithm of a factor of the chance that it is put in the cart; 0: items sell by relevance
    engine_items      titles in the simulated engine's own index: the judged ones and a sample of the
                      rest, which bounds its memory
    seed              another seed is another day
    """

    labels: Partition
    catalogue: Partition
    log: Partition
    simulated_truth: Partition
    before: str = ""
    layout: Annotated[str, OneOf("ndjson", "parquet")] = "ndjson"
    searches: int = 12_000
    results: PositiveInt = 20
    eta: NonNegativeFloat = 1.0
    click_noise: Fraction = 0.05
    zipf: float = 0.9
    bot_frac: float = 0.02
    storm_searches: int = 0
    duplicate_frac: float = 0.01
    redelivered_frac: float = 0.0
    late_frac: float = 0.005
    delayed_frac: float = 0.0
    skew_frac: float = 0.0
    malformed_frac: float = 0.001
    personal_frac: Fraction = 0.0
    rare_frac: Fraction = 0.0
    taste: Fraction = 0.0
    drift_weeks: NonNegativeFloat = 0.0
    appeal: NonNegativeFloat = 0.0
    engine_items: PositiveInt = 200_000
    seed: NonNegativeInt = 7

    def __post_init__(self) -> None:
        if self.log.ds != self.simulated_truth.ds:
            raise ValueError(f"{self.simulated_truth} is not the day of {self.log}")
        for earlier in self.days_before():
            days_after(earlier, self.log.ds)
        self.plan()

    def days_before(self) -> list[Partition]:
        """The partitions of `before`; ValueError for what is no address."""
        return [Partition.parse(address.strip()) for address in self.before.split(",") if address.strip()]

    def plan(self) -> DaySettings:
        """The settings of the day; ValueError when one is out of range."""
        return DaySettings(
            self.seed,
            self.log.ds,
            self.results,
            ClickModel(eta=self.eta, noise=self.click_noise),
            TrafficMix(self.searches, self.bot_frac, self.zipf, self.storm_searches, length_s(self.log.ds)),
            Faults(**{field.name: getattr(self, field.name) for field in fields(Faults)}),
            UnusualShares(self.personal_frac, self.rare_frac),
            Taste(self.taste, self.drift_weeks),
            self.appeal,
        )


def main(args: Args) -> dict[str, object]:
    """Draw the day, write it as two applications would, and keep the truth beside."""
    catalogue, labels = pin(args.catalogue), pin(args.labels)
    before = [pin(day) for day in args.days_before()]
    inputs = [catalogue, labels, *before]
    shop = read_shop(catalogue, labels, args.engine_items, args.seed)
    made = scene(args.plan(), shop, tastes := taste_catalogue(catalogue, shop, args.seed) if args.taste else None)
    with publish(args.log, args, inputs) as out, publish(args.simulated_truth, args, inputs) as aside:
        out.simulated = aside.simulated = True
        layout: LogFormat[Any] = ParquetFormat(made) if args.layout == "parquet" else NdjsonFormat(made)
        facts = _write(made, layout, out, aside, before)
        aside.facts |= facts
        if tastes:
            write_tastes(aside.folder, made, tastes)
        # a real log has no facts about its visitors, so this one has none either
        out.facts |= {"click_model": "position-based", "generator": "jobs.simulator.simulate"}
        out.facts |= made.shop.facts
    return {"log": str(args.log), **facts}


def _write(made: Scene, layout: LogFormat[Any], out: Attempt, aside: Attempt, before: list[Pinned]) -> dict[str, int]:
    searches = len(made.traffic.queries)
    with (
        progress("simulate", searches, "searches") as advance,
        TruthWriter(aside.folder, made) as truth,
        LogWriter(layout, out.folder, aside.folder, made, before) as log,
    ):
        for part in made.parts if layout.is_text else map(as_records, made.parts):
            words = made.people.words(part.numbers)
            log.add(part, words)
            truth.add(part, words)
            advance(len(part.numbers))
        return truth.finish(log.counts) | made.shop.facts

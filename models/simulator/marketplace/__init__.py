"""A synthetic Polish shop: its catalogue by day, what people type, and which items answer them.

Everything is a pure function of the seed, the day and the slot or query number: no state, no order.
"""

from models.simulator.marketplace.catalogue import CHUNK, Offers, chunks, offers
from models.simulator.marketplace.demand import Demand, demand

__all__ = ["CHUNK", "Demand", "Offers", "chunks", "demand", "offers"]

"""Learning to rank: from the first 300 of a search to the order that is shown."""

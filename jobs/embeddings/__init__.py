"""Embeddings: any encoder turns the items of a catalogue into unit vectors, shard by shard, day by day."""

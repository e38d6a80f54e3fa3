"""What `embeddings` stands on: which items are a shard's, what of it changed, who encodes it, what is checked at the end."""

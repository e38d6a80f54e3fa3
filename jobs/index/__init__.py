"""What the index stands on: a sample to learn from, codes of shards in files, and how they become one."""

"""The index: choose and train one, code the items of each shard, and build the bundle that is served."""

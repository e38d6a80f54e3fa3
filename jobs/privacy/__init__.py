"""Retention: delete what people typed when its days are over, except versions that an alias protects, and audit it."""

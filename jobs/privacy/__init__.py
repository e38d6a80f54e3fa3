"""Retention: delete what people typed when it expires, except versions that an alias protects, and audit the rest."""

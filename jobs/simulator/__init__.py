"""A synthetic shop, its log in two layouts with the truth behind it, and the import of public data sets."""

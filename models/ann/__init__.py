"""Approximate nearest neighbours with FAISS: index families, training, codes, tuning, search, and ageing."""

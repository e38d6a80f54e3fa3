"""Approximate nearest neighbours: which FAISS index, how it is trained, filled, tuned, and when it has aged."""

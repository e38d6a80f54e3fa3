"""Recommendations: item to item, and items to people."""

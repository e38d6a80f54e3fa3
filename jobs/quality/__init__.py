"""Data quality: figures counted in one pass, rules on them and on their history, verdicts and their pages."""

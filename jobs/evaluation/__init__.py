"""Rankings, the report and its gate, comparisons of reports, and TREC files alone."""

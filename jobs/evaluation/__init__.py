"""What jobs.evaluation.report stands on: measured arms, segments and cells, comparisons, earlier nights, and the page."""

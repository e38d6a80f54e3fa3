"""What jobs.report stands on: measured arms, segments and cells, comparisons, earlier nights, and the page."""

"""The overview of the Data Docs: days and tables at a glance, from verdict records and alerts alone."""

"""The overview of the Data Docs: days and tables at a glance, made of verdict records and alerts, never of the lake."""

"""Sweeps: the flags of a study, trials as real commands, results and their page; one index per category."""

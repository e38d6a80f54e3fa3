"""What a sweep stands on: the language of its flags, the study, trials as real commands, findings and their page."""

"""What mining stands on: the catalogue as vectors in files, search that goes on where it was killed, its account."""

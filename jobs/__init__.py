"""How it is run: one thin shell per noun, `python -m jobs.<noun> --help`."""

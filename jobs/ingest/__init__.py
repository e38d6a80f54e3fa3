"""What a shop delivered, before it is a table: files, their profiles and drift, damaged ones, mended ones."""

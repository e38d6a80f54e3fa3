"""`make bench`: us against what people use now, interleaved in one process on the same bytes."""

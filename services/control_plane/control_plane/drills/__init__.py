"""Restore drills: some of what is stored, fetched back and read to its end, to see that all of it could be."""

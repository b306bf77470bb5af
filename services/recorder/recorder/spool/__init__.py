"""The recorder's disk: segment files plus one SQLite file that knows them."""

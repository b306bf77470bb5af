"""Background work: jobs that PostgreSQL keeps, and that one replica at a time runs."""

"""All of camfleet on one machine, driven through its public interfaces only."""

"""Long runs that show what the test suite can only sample: hundreds of kills, half an hour of faults."""

"""What camfleet costs, side by side with what others cost, in one run on one machine."""

"""What the control plane's busiest calls cost, beside a bare server that does the least for the same answers."""

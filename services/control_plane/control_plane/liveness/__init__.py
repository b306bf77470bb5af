"""Liveness: what is wrong with recorders and cameras, each cause one event from its begin to its end."""

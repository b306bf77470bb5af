"""camfleet's control plane: the console, the operators' API and the recorders' wire."""

"""What camfleet's control plane and its recorders agree on: messages and schedule rules, without I/O or a clock."""

"""The contract between camfleet's control plane and its recorders: messages and schedule rules, without I/O or a clock."""

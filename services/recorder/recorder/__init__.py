"""camfleet's recorder: keeps what the cameras send, without re-encoding, until the bucket has it."""

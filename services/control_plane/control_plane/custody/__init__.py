"""Chain of custody: what proves that footage is all there and as it was recorded, and what shows when it isn't."""

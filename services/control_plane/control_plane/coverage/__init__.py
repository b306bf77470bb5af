"""Coverage: of what was due, what is recorded, what is stored, and what was lost and why; by camera and day."""

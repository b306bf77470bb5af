"""What this API is called; predecessor clients compare it."""

TITLE = "Local Client API"
VERSION = "5.0.0"

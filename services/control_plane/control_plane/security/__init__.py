"""Secrets, passwords, tokens, and who may call."""

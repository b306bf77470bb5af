"""Footage for whoever may watch it: links that are signed and soon over, and the bytes behind them."""

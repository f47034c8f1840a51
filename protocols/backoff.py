"""Capped exponential back-off with full jitter."""

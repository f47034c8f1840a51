"""Owners' endpoints: what they are told waits here until they have taken it."""

"""Purchasing: from a need to at most one order or service request, with its reason."""

"""Any REST system, described by a manifest."""

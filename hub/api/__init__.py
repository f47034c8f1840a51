"""The owners' API: things, needs, orders and their trace, approvals, off switches, mandates, communities, health."""

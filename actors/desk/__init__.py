"""The desk of one CRM connection: queue, back-off, breaker; the only place that calls a CRM adapter."""

"""CoAP."""

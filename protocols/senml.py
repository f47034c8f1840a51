"""SenML (RFC 8428): packs to readings and back."""

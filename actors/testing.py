"""The test kit: virtual time, probes, expectations on dead letters."""

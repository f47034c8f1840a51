"""What every sandbox has: faults, request log, administration, life as a process."""

"""The proof by simulation: the whole inside in virtual time, with seeded faults, schedules, devices and people."""

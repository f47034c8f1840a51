"""The demonstration: a plant, its devices and their companies, played on this machine."""

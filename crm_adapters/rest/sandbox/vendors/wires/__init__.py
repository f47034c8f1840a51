"""The wires: how each system's API asks, answers and refuses."""

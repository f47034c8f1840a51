"""The vocabulary: frozen values that every part of the hub speaks. No behaviour beyond arithmetic and checks."""

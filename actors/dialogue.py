"""What the kinds of actors tell each other."""

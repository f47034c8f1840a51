"""The proof by real processes: the hub is killed again and again under load, and a judge looks at what is left."""

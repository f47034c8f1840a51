"""The contract suite that every protocol adapter passes."""

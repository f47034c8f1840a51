"""Protocol adapters: bytes in, readings out, commands back. Siblings are strangers."""

"""The eight stories, each played and judged in a file of its own."""

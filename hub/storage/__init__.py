"""Storage: the SQLite journal behind the port ``actors.runtime.journal.Journal``."""

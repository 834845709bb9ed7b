"""The memory: one SQLite file, one writer, any number of read-only readers."""

DATABASE_FILE = "connmon.db"  # in the state directory

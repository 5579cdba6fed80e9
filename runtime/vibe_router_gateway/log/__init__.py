"""The decision log: one SQLite file with one row a request, without text unless the user asked for it."""

"""What the server keeps of its users, in SQLite or PostgreSQL: opened by `penname.serve.store.opening`."""

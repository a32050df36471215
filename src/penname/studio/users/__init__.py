"""Users: who is written as, from which documents, and how each of them writes."""

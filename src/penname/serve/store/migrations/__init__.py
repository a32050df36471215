"""The database's revisions, in order, each a module of `versions`; Alembic runs them when a store is opened."""

"""The page of results: all runs, compared and reported in place."""

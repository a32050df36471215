"""Pages to read and pass on: a run's report, and pairs of texts for people to judge."""

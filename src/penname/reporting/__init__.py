"""Pages of HTML: the report of runs, and pairs of texts for human evaluation."""

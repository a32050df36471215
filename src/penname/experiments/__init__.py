"""Whole runs: planning and training them, reusing stages of other runs, and comparing results."""

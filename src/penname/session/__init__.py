"""What every method works with: a run's recipe, folder, examples, prompts, and one loaded engine at a time."""

"""Writing for users who were in no training: what a notebook, the command line and a server use."""

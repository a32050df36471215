"""REST-PG (arXiv 2501.04167): Algorithm 1, the teacher that writes the reasoning, and which samples are kept."""

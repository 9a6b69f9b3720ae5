"""Commands of the API plumbing."""

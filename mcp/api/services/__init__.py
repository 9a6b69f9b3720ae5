"""Verbs of the API plumbing."""

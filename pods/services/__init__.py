"""Verbs on what the operator owns."""

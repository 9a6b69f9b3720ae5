"""Verbs of accounts, members, keys and limits."""

"""Passwords of people who exist in tests only."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """The hasher of production with next to no work: hashing one person's password as it should be takes 0.1 s and 100 MiB."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1

"""Django application of accounts."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Registers the models under the label `accounts`."""

    name = "accounts"
    verbose_name = "Accounts"

"""Form fields of the console: traits as words, an account by its slug."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Field

from accounts.models import Account
from pods.placement.traits import trait_fault

TRAITS = ("traits", "required_traits", "forbidden_traits")


class TraitsField(forms.CharField):
    """Words between spaces or commas, as a list without doubles. Raises what is wrong with which word."""

    def prepare_value(self, value: Any) -> Any:
        """The words in a line."""
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        """The list."""
        words = list(dict.fromkeys(str(super().clean(value)).replace(",", " ").split()))
        fault = trait_fault(words)
        if fault:
            raise forms.ValidationError(fault[:1].upper() + fault[1:])
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as words."""
        return super().has_changed(self.prepare_value(initial or []), data)


def slug_of(account_id: UUID | None) -> str:
    """An account's slug; empty for none."""
    return Account.objects.filter(pk=account_id).values_list("slug", flat=True).first() or "" if account_id else ""


class AccountSlugField(forms.CharField):
    """An account, typed by its slug; empty for none. Raises for a slug that nobody has."""

    def prepare_value(self, value: Any) -> Any:
        """The slug of an id."""
        return slug_of(value) if isinstance(value, UUID) else value

    def clean(self, value: Any) -> UUID | None:
        """The id."""
        slug = str(super().clean(value))
        if not slug:
            return None
        found = Account.objects.filter(slug=slug).values_list("pk", flat=True).first()
        if found is None:
            raise forms.ValidationError(f"There is no account “{slug[:60]}”.")
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as slugs."""
        return super().has_changed(self.prepare_value(initial), data)


def form_field(db_field: Field[Any, Any]) -> forms.Field | None:
    """The console's own field for a column, where it has one."""
    text = str(db_field.help_text)
    if db_field.name in TRAITS:
        return TraitsField(
            required=False, max_length=2500, help_text=f"{text} Words between spaces, such as ssd gpu-a100.".strip()
        )
    if db_field.name == "exclusive_account_id":
        label = "Exclusive to the account"
        return AccountSlugField(label=label, required=False, max_length=64, help_text="Its slug. Empty: everybody's.")
    return None

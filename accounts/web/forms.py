"""Forms about the account. They parse; the services decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.permissions import SCOPES, Role
from mcp.errors import ControlPlaneError

LIVES = [("", "never"), ("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year")]


def show_error(form: forms.BaseForm, error: ControlPlaneError) -> None:
    """Put a service's error beside the fields that it names, or on top of the form.

    A sentence that begins with `field:` names its field too.
    """
    placed = False
    for fault in error.errors:
        if fault.field in form.fields:
            form.add_error(fault.field, _sentence(fault.message))
            placed = True
    named, _, rest = error.detail.partition(": ")
    if not placed and named in form.fields:
        form.add_error(named, _sentence(rest))
        placed = True
    if not placed:
        form.add_error(None, error.detail)


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]


class SshKeyForm(forms.Form):
    """A public key, pasted."""

    public_key = forms.CharField(
        label="Public key", max_length=8000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="The content of a .pub file, such as ~/.ssh/id_ed25519.pub: one line beginning with ssh-ed25519 or ssh-rsa.",
    )  # fmt: skip
    name = forms.CharField(
        label="Name", max_length=64, required=False, help_text="Empty takes the comment at the end of the key.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip


class ApiKeyForm(forms.Form):
    """A new API key."""

    name = forms.CharField(label="Name", max_length=64, help_text="What or who will use it.")
    role = forms.ChoiceField(label="Role", choices=Role.choices, help_text="It can do no more than you can.")
    scopes = forms.MultipleChoiceField(
        label="Scopes", required=False, choices=[(scope, scope) for scope in sorted(SCOPES)],
        widget=forms.CheckboxSelectMultiple,
        help_text="Tick * for all that the role may do, read for reading only, or single permissions.",
    )  # fmt: skip
    expires = forms.ChoiceField(label="Expires", choices=LIVES, required=False, initial="90")

    def expires_at(self) -> datetime | None:
        """When it ends."""
        days = self.cleaned_data.get("expires")
        return timezone.now() + timedelta(days=int(days)) if days else None


class MemberForm(forms.Form):
    """A person and a role."""

    username = forms.CharField(label="User name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.OPERATOR)


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(choices=Role.choices)

    def __init__(self, *args: Any, who: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].widget.attrs["aria-label"] = f"Role of {who}"

"""Forms about accelerators. They parse; the services decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from accelerators.models import Plan
from accelerators.services.wish import MAX_COUNT, MAX_SCRIPT_BYTES, CreateWish
from accounts.models import Account, SshKey
from pods.models import Image, Pod
from pods.models.allocation import Spread

SPREADS = {
    "": "as the group does, or anywhere",
    Spread.HOST: "apart from each other, over hosts",
    Spread.POD: "apart from each other, over pods",
}
MUST = {"required": "must hold", "preferred": "is preferred"}
# What says where it is to be placed; kept together on the page.
PLACEMENT = (
    "group", "location", "spread", "spread_limit", "spread_policy", "near", "near_policy", "as_many_as_fit",
)  # fmt: skip


PLAIN_TEXT = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
CODE = {"spellcheck": "false", "autocomplete": "off"}


class TagsField(forms.CharField):
    """One `key=value` a line. Raises what is wrong with which line; the service checks the rest."""

    def __init__(self) -> None:
        super().__init__(
            label="Tags", required=False, max_length=20_000,
            widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "role=web\nstage=test"}),
            help_text="One a line, as key=value. You can search by them.",
        )  # fmt: skip

    def clean(self, value: Any) -> dict[str, str]:
        """The tags as a mapping."""
        tags: dict[str, str] = {}
        for line in str(super().clean(value)).splitlines():
            if not line.strip():
                continue
            key, _, text = line.partition("=")
            if not key.strip():
                raise forms.ValidationError(f"“{line.strip()[:40]}” has no key; write key=value.")
            if key.strip() in tags:
                raise forms.ValidationError(f"“{key.strip()[:40]}” stands here twice; keep one.")
            tags[key.strip()] = text.strip()
        return tags


def tags_text(tags: Sequence[tuple[str, str]]) -> str:
    """The text that the field shows."""
    return "\n".join(f"{key}={value}" if value else key for key, value in tags)


class CreateForm(forms.Form):
    """Everything a new accelerator can be told."""

    name = forms.CharField(
        label="Name", max_length=63, widget=forms.TextInput(attrs=PLAIN_TEXT),
        help_text="a-z, 0-9 and -, beginning with a letter. It becomes the host name.",
    )  # fmt: skip
    count = forms.IntegerField(
        label="How many", min_value=1, max_value=MAX_COUNT, initial=1,
        help_text=f"1 to {MAX_COUNT}. With several, names get a number: web-1, web-2 …",
    )  # fmt: skip
    plan = forms.ChoiceField(label="Plan", widget=forms.RadioSelect)
    image = forms.ChoiceField(label="Image")
    pod = forms.ChoiceField(label="Pod", required=False)
    group = forms.CharField(
        label="Group", required=False, max_length=64, widget=forms.TextInput(attrs=PLAIN_TEXT),
        help_text="Accelerators that belong together, over several requests.",
    )  # fmt: skip
    location = forms.ChoiceField(label="Location", required=False)
    spread = forms.ChoiceField(label="Members of the group", required=False, choices=list(SPREADS.items()))
    spread_limit = forms.IntegerField(
        label="At most together", required=False, min_value=1, max_value=MAX_COUNT, initial=1,
        help_text="Members on one host, or in one pod.",
    )  # fmt: skip
    spread_policy = forms.ChoiceField(label="The spread", required=False, choices=list(MUST.items()), initial="required")
    near = forms.CharField(
        label="Near the group", required=False, max_length=64, widget=forms.TextInput(attrs=PLAIN_TEXT),
        help_text="On the hosts of that group.",
    )  # fmt: skip
    near_policy = forms.ChoiceField(label="Nearness", required=False, choices=list(MUST.items()), initial="preferred")
    as_many_as_fit = forms.BooleanField(label="Of several, make as many as fit instead of all or none", required=False)
    ssh_keys = forms.MultipleChoiceField(
        label="SSH keys that may log in as root", required=False, widget=forms.CheckboxSelectMultiple
    )
    new_key = forms.CharField(
        label="Add another public key", required=False, max_length=8000,
        widget=forms.Textarea(attrs=CODE | {"rows": "2", "placeholder": "ssh-ed25519 AAAA… you@laptop"}),
        help_text="It is let in, and kept in the account for the next time.",
    )  # fmt: skip
    user_script = forms.CharField(
        label="User script", required=False, max_length=MAX_SCRIPT_BYTES, strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "placeholder": "#!/bin/sh\n…"}),
        help_text="Runs once as root at the first boot; its exit code and output appear on the timeline.",
    )  # fmt: skip
    tags = TagsField()
    protected = forms.BooleanField(label="Protect against deletion", required=False)
    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plans = list(Plan.objects.filter(active=True))
        self.keys = list(SshKey.objects.filter(account=account).order_by("created_at", "id")[:100])
        self._choices("plan", [(plan.slug, plan.name) for plan in self.plans])
        self._choices("image", image_choices())
        pods = list(Pod.objects.filter(state="open")[:500])
        self._choices("pod", [("", "anywhere"), *((pod.slug, _pod_words(pod)) for pod in pods)])
        locations = sorted({pod.location for pod in pods if pod.location})
        self._choices("location", [("", "anywhere"), *((name, name) for name in locations)])
        self._choices("ssh_keys", [(str(key.pk), key.name) for key in self.keys])

    @property
    def placement_told(self) -> bool:
        """Whether something about placement was said, so that its fields are shown unfolded."""
        said = {name: self[name].value() for name in PLACEMENT}
        usual = {"spread_limit": "1", "spread_policy": "required", "near_policy": "preferred"}
        return any(str(value or "") not in ("", usual.get(name)) or self[name].errors for name, value in said.items())

    def _choices(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(choices)

    def clean_user_script(self) -> str:
        """Browsers send CRLF; an interpreter line must not end with a carriage return."""
        return str(self.cleaned_data["user_script"]).replace("\r\n", "\n")

    def wish(self, *, extra_key: str = "") -> CreateWish:
        """What the service takes; the form is valid."""
        data = self.cleaned_data
        keys = [*data["ssh_keys"], *([extra_key] if extra_key else [])]
        return CreateWish(
            name=data["name"], plan=data["plan"], image=data["image"], pod=data["pod"], count=data["count"],
            ssh_keys=keys, user_script=data["user_script"], tags=data["tags"], protected=data["protected"],
            group=data["group"], location=data["location"], spread=data["spread"], spread_limit=data["spread_limit"] or 1,
            spread_policy=data["spread_policy"] or "required", near=data["near"],
            near_policy=data["near_policy"] or "preferred", as_many_as_fit=data["as_many_as_fit"],
        )  # fmt: skip


def image_choices() -> list[tuple[str, str]]:
    """The newest active version of each image."""
    choices: dict[str, str] = {}
    for image in Image.objects.filter(state=Image.State.ACTIVE).order_by("slug", "-created_at")[:500]:
        choices.setdefault(image.slug, f"{image.slug} — {image.os}" if image.os else image.slug)
    return list(choices.items())


def _pod_words(pod: Pod) -> str:
    return f"{pod.slug} — {pod.location}" if pod.location else pod.slug


class EditForm(forms.Form):
    """What can change without a machine."""

    name = forms.CharField(
        label="Name", max_length=63, widget=forms.TextInput(attrs=PLAIN_TEXT),
        help_text="A new name reaches the machine's host name at its next start.",
    )  # fmt: skip
    tags = TagsField()
    protected = forms.BooleanField(label="Protect against deletion", required=False)
    revision = forms.IntegerField(widget=forms.HiddenInput)

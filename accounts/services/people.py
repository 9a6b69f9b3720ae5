"""People who sign in; operators add them."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.actor import Actor
from accounts.models import User
from mcp.errors import FieldError, Forbidden, InvalidInput
from mcp.events.services.audit import audit


def find_or_add_person(*, actor: Actor, username: str, email: str = "", password: str = "") -> User:
    """The person who signs in under that name; added if nobody does. A known person's email and password stay.

    Repeatable. Raises Forbidden, InvalidInput for a malformed name or a weak password.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation add people.")
    known = User.objects.filter(username=username).first()
    if known is not None:
        if not known.is_active:
            raise InvalidInput.on("owner", f"{username} is not active; choose somebody else.", "inactive")
        return known
    person = User(username=username, email=email)
    _check(person, password)
    with transaction.atomic():
        if password:
            person.set_password(password)
        else:
            person.set_unusable_password()
        person.save()
        audit(
            "person.add", actor=actor.label, source=actor.source, target_type="person", target_id=person.pk,
            target_name=username,
        )  # fmt: skip
    return person


def _check(person: User, password: str) -> None:
    try:
        person.full_clean(exclude=["password"])
    except ValidationError as exc:
        names = {"username": "owner"}
        errors = [FieldError(names.get(f, f), "invalid", " ".join(texts)) for f, texts in exc.message_dict.items()]
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors) from exc
    try:
        if password:
            validate_password(password, person)
    except ValidationError as exc:
        raise InvalidInput.on("password", " ".join(exc.messages), "weak") from exc

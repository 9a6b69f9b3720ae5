"""Add people; an operator's verb."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.actor import Actor
from accounts.models import User
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit


def add_user(*, actor: Actor, username: str, password: str = "", email: str = "", operator: bool = False) -> tuple[User, str]:
    """Add a sign-in; answers it and its password (made here when none is given).

    Raises InvalidInput for a name or password that is not acceptable, Conflict, Forbidden.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation add people.")
    secret = password or secrets.token_urlsafe(15)
    with transaction.atomic():
        if User.objects.filter(username=username).exists():
            raise Conflict(f"username: {username} exists already.")
        user = User(username=username, email=email, is_staff=operator, is_superuser=operator)
        _check(user, secret)
        user.set_password(secret)
        user.save()
        audit(
            "user.add", actor=actor.label, source=actor.source, target_type="user", target_id=user.pk, target_name=username,
            changes={"operator": operator},
        )  # fmt: skip
    return user, secret


def set_password(*, actor: Actor, user: User, password: str = "") -> str:
    """Replace a password, with one made here when none is given; answers it. Raises InvalidInput, Forbidden."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation set other people's passwords.")
    secret = password or secrets.token_urlsafe(15)
    _check(user, secret)
    with transaction.atomic():
        user.set_password(secret)
        user.save(update_fields=["password"])
        audit(
            "user.password", actor=actor.label, source=actor.source, target_type="user", target_id=user.pk,
            target_name=user.username,
        )  # fmt: skip
    return secret


def _check(user: User, password: str) -> None:
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user)
    except ValidationError as exc:
        field = "username" if hasattr(exc, "error_dict") else "password"
        raise InvalidInput.on(field, " ".join(exc.messages)) from exc

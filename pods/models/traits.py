"""The check that every model with traits makes in `clean`."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from pods.placement.traits import trait_fault


def check_traits(**lists: object) -> None:
    """Raises ValidationError naming each field whose words are not traits, or that contradict each other."""
    faults = {field: fault for field, words in lists.items() if (fault := trait_fault(words))}
    required, forbidden = lists.get("required_traits"), lists.get("forbidden_traits")
    if not faults and isinstance(required, list) and isinstance(forbidden, list) and set(required) & set(forbidden):
        both = ", ".join(sorted(set(required) & set(forbidden)))
        faults["forbidden_traits"] = f"required already: {both}; no host could have it and lack it."
    if faults:
        raise ValidationError(faults)

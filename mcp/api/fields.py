"""Strict input: unknown fields are refused by name, and a number is not a text that looks like one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Base of every body. A misspelt field is an error, not a default."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError naming unknown fields together with all other faults."""
        faults: dict[str, Any] = {}
        if isinstance(data, Mapping):
            known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            for name in data:
                if name not in self.fields or self.fields[name].read_only:
                    shown = str(name)[:80]
                    faults[shown] = [serializers.ErrorDetail(f"is not a field here; there are {known or 'none'}.", "unknown")]
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            if isinstance(exc.detail, dict):
                faults.update(exc.detail)
            else:
                raise
        if faults:
            raise serializers.ValidationError(faults)
        return value


class EmptySerializer(StrictSerializer):
    """A verb without arguments: no body, or {}."""


class Text(serializers.CharField):
    """A JSON string; numbers and booleans are refused instead of converted."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError."""
        if not isinstance(data, str):
            raise serializers.ValidationError("must be text.", "wrong_type")
        return str(super().to_internal_value(data))


class Number(serializers.IntegerField):
    """A JSON integer."""

    def to_internal_value(self, data: Any) -> int:
        """Raises ValidationError."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("must be a whole number.", "wrong_type")
        return int(super().to_internal_value(data))


class Real(serializers.FloatField):
    """A JSON number."""

    def to_internal_value(self, data: Any) -> float:
        """Raises ValidationError."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            raise serializers.ValidationError("must be a number.", "wrong_type")
        return float(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """A JSON true or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Raises ValidationError."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("must be true or false.", "wrong_type")
        return data


class TextMap(serializers.DictField):
    """An object whose values are text; keys are checked by the service that knows their grammar."""

    child = Text(allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Raises ValidationError."""
        if isinstance(data, Mapping) and any("\x00" in key or not key.isprintable() for key in data):
            raise serializers.ValidationError("keys must be printable text.", "malformed")
        value: dict[str, str] = super().to_internal_value(data)
        return value

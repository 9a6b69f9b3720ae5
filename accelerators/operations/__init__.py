"""The kinds of operation on accelerators; importing this package registers them."""

from accelerators.operations import create, delete, first_boot, mend, move, power, preempt

__all__ = ["create", "delete", "first_boot", "mend", "move", "power", "preempt"]

"""Roles for training without a setting."""

from validation.roles import Role


def role(recipe, name="teacher"):
    """A role with that recipe, and the stream and the flag of its name."""
    return Role(name, f"--{name}", name, None, recipe)

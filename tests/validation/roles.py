"""Roles for trainings that no setting describes."""

from validation.roles import Role


def role(recipe, name="teacher"):
    """A role of that recipe, with the random numbers and the flag of its name."""
    return Role(name, f"--{name}", name, None, recipe)

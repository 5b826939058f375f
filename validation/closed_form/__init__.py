"""The gain of distillation in closed form, on the tangent kernel of a setting's own network and data."""

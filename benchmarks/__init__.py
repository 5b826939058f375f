"""Measurements against what people use now. A new one is a module with a docstring and run(), and a line below."""

from benchmarks import (
    closed_form,
    cross_entropy,
    deviation,
    import_time,
    large,
    linear_probe,
    recorder,
    tangent_kernel,
)

BENCHMARKS = {"closed_form": closed_form, "cross_entropy": cross_entropy, "deviation": deviation,
              "import_time": import_time, "large": large, "linear_probe": linear_probe, "recorder": recorder,
              "tangent_kernel": tangent_kernel}

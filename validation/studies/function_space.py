"""How much networks differ from the closed form on their tangent kernel, by width and by step size."""

from validation.studies.study import Quantity, Study

QUANTITIES = (
    *(Quantity(f"drift of the {role}", lambda result, role=role: result["drift"][role], digits=3)
      for role in ("teacher", "student")),
    Quantity("kernel change", lambda result: result["kernel_change"], digits=3),
    Quantity("pairs exaggerated", lambda result: result["exaggeration"].get("measured", {}).get("exaggerated"),
             digits=1),
)

FUNCTION_SPACE = Study(
    name="function_space",
    title="two-layer networks in function space, by loss and width; 15 pairs of directions per seed",
    settings=("function_space",),
    vary={"loss": ("squared", "cross_entropy"), "width": (64, 256, 1024, 4096)},
    quantities=QUANTITIES,
)

FUNCTION_SPACE_STEPS = Study(
    name="function_space_steps",
    title="two-layer networks in function space, by the learning rate over the largest eigenvalue; width 1024",
    settings=("function_space",),
    vary={"learning_rate": (0.1, 0.5, 1.0, 1.5, 1.9)},
    quantities=QUANTITIES,
)

"""The filters applied through matrix-vector products alone, for problems too large to factorise.

X may be an array (of JAX sharded over devices), a sparse matrix, a linear operator or a pair of functions. Names and
shapes are those of `eigenkd.linear_flow`, without start and distil: for a start b0 take the flow of y - X b0 and add
b0; for a teacher with other features retarget a flow to its fitted. Every fit has error bounds. Eqs. (55)-(60),
docs/theory.md.

>>> import numpy as np
>>> from eigenkd import krylov
>>> rng = np.random.default_rng(0)
>>> X, y = rng.normal(size=(5000, 40)) / 5000**0.5, rng.normal(size=5000)
>>> flow = krylov.linear_flow(X, y)
>>> fit = flow.student([0.5, 1.0, 2.0], teacher_time=3.0)
>>> fit.weights.shape, fit.products                  # one pass of so many products for all three
((3, 40), 17)
>>> bool((fit.error < 1e-10 * np.linalg.norm(y)).all())
True
"""

from eigenkd.krylov.fit import KrylovFit
from eigenkd.krylov.flow import KrylovFlow, TopEigenpairs, kernel_flow, linear_flow

__all__ = ["KrylovFit", "KrylovFlow", "TopEigenpairs", "kernel_flow", "linear_flow"]

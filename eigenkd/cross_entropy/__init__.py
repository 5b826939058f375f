"""Gradient flow of the same linear and kernel models under the softmax cross-entropy, by an ODE solver.

The model is that of `eigenkd.linear_flow`, the loss that of a classifier. Eigendirections do not decouple, so the flow
is integrated (diffrax), in the eigenbasis of K. Eqs. (66)-(71), docs/theory.md.

    from eigenkd import cross_entropy
    flow = cross_entropy.linear_flow(X, labels)
    teacher, student = flow.teacher(t), flow.student(s, teacher_time=T, temperature=4.0)
    teacher.probabilities

Needs JAX and diffrax: pip install 'eigenkd[ode]'.
"""

from eigenkd.cross_entropy.flow import CrossEntropyFit, CrossEntropyFlow, kernel_flow, linear_flow

__all__ = ["CrossEntropyFit", "CrossEntropyFlow", "kernel_flow", "linear_flow"]

"""Training in function space next to the closed form: `python -m validation.function_space`.

A network's tangent kernel at its start says, by `eigenkd.kernel_flow`, what each direction of function space will have
learned after so many steps, of a teacher trained on labels and of its student. Trained on the squared loss by full
batches, the network does so as far as it stays near its start: the wider, the longer. Measured gains stand next to
predicted ones, direction by direction, with one number for how far they drift apart.
"""

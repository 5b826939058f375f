"""Training in function space compared with the closed form: `python -m validation.function_space`.

From the tangent kernel at initialisation, `eigenkd.kernel_flow` predicts how much a teacher trained on labels, and its
student, learn along each direction of function space after a given number of steps. A network trained with full batches
on the squared loss follows the prediction while it stays near its initialisation, which wider networks do for longer.
Measured and predicted gains are compared along each direction, and one number measures their drift.
"""

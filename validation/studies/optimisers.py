"""The effect of the optimiser on the bias: Adam, as in the paper, compared with plain SGD. Table 7."""

from validation.studies.quantities import accuracy, gain, slope, underfit
from validation.studies.study import Study

OPTIMISERS = Study(
    name="optimisers",
    title="random features and MLP under Adam and plain SGD",
    settings=("rf_noisy_mnist", "rf_noisy_mnist_sgd", "mlp_mnist", "mlp_mnist_adam_1e-3", "mlp_mnist_sgd"),
    quantities=(slope(), underfit(), accuracy("teacher"), accuracy("distilled"), gain()),
)

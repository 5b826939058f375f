"""Small language models: how a distilled student and quantised weights deviate from the teacher, token by token."""

from validation.studies.study import Quantity, Study

MODELS = {"student": "distilled", "one_hot": "one-hot", "Q8_0": "Q8_0", "Q4_0": "Q4_0", "3 bits": "3 bits",
          "equal KL": "rounded to equal KL"}


def of(model, *path, split="test"):
    """A number of a model's comparison with its teacher; of a mean, a slope or a share its value."""
    def value(result):
        found = result["measured"][split][model]
        for key in path:
            found = found[key]
        return found[0] if isinstance(found, list) else found

    return value


def _quantities(model, title):
    return (
        Quantity(f"{title}: KL (nats)", of(model, "kl"), digits=4),
        Quantity(f"{title}: change of confidence (nats)", of(model, "change"), digits=3),
        Quantity(f"{title}: slope, least confident quarter", of(model, "slope", "low"), digits=3),
        Quantity(f"{title}: less confident there", of(model, "underfit"), digits=3),
        Quantity(f"{title}: slope, most confident quarter", of(model, "slope", "high"), digits=3),
        Quantity(f"{title}: more confident there", of(model, "overfit"), digits=3),
        Quantity(f"{title}: change of entropy (nats)", of(model, "entropy_change"), digits=3),
        Quantity(f"{title}: another top token", of(model, "flipped"), digits=3),
        Quantity(f"{title}: ln of the ratio of perplexities", of(model, "log_perplexity_ratio"), digits=4),
    )


LANGUAGE_MODELS_STUDY = Study(
    name="language_models",
    title="small language models on held-out English, compared with their teacher",
    settings=("language_models",),
    quantities=tuple(quantity for model, title in MODELS.items() for quantity in _quantities(model, title)),
    seeds=(0, 1, 2),
)

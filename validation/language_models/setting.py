"""The configuration of a run of small language models."""

from dataclasses import asdict, dataclass

from validation.settings.loss import ONE_HOT, Loss
from validation.settings.setting import Training

NAME = "language_models"


@dataclass(frozen=True)
class LanguageModels:
    """All values that determine one run: a teacher, its students and its quantised copies, of one seed."""

    seed: int = 0
    data: str = "wordnet"
    vocabulary: int = 2048
    """Tokens of the byte-level BPE, which is trained on the training text."""
    context: int = 128
    """Tokens that a model predicts at a time, each from those before it."""
    train_contexts: int = 12_000
    """Of the training text, from its beginning; its texts are in random order."""
    measured_contexts: int = 400
    """Of the held-out text, and as many of the training text, evenly spaced."""
    hidden: int = 128
    heads: int = 4
    layers: int = 6
    """Of the teacher; 1.4 million parameters."""
    student_layers: int = 3
    epochs: int = 1
    batch_size: int = 8
    """Contexts."""
    learning_rate: float = 3e-3
    temperature: float = 1.0
    """Of distillation."""

    @property
    def name(self):
        return NAME

    @property
    def title(self):
        return "small language models on WordNet's English"

    @property
    def data_title(self):
        """What a figure calls the data."""
        return "WordNet's definitions and examples"

    @property
    def command(self):
        """The command that produces runs."""
        return "python -m validation.study language_models"

    def configuration(self):
        """All values that determine the result, as a JSON mapping: configuration and seed determine the run."""
        return {"setting": NAME} | {name: value for name, value in asdict(self).items() if name != "seed"}

    @property
    def runner(self):
        """The module whose `run(setting, out, device=..., data_dir=...)` makes a run folder and returns its result."""
        return "validation.language_models.training"

    def recipe(self, role):
        """The `Training` of a role, "teacher", "one_hot" or "student"; all see as much text."""
        loss = Loss("distilled", temperature=self.temperature) if role == "student" else ONE_HOT
        return Training(self.epochs, self.batch_size, self.learning_rate, warmup_epochs=0.05 * self.epochs,
                        schedule="cosine", loss=loss)


LANGUAGE_MODELS = LanguageModels()

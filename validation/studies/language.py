"""Encoders on texts: within and across architectures, without the student's dropout. Tables 5 and 6, Figs. 10 to 12."""

from validation.settings import language
from validation.studies.quantities import accuracy, agreement, gain, overfit, slope, underfit
from validation.studies.study import Study

QUANTITIES = (
    *(accuracy(role, split) for split in ("train", "test") for role in ("teacher", "one_hot", "distilled")), gain(),
    *(measure for split in ("train", "test") for measure in (
        agreement(split), slope(split, "high"), overfit(split), slope(split, "low"), underfit(split))))

LANGUAGE = Study(
    name="language",
    title="MiniLM on 2,000 of WordNet's definitions",
    settings=("wordnet_minilm_small", "wordnet_minilm_undropped_small", "wordnet_minilm_upper_small"),
    quantities=QUANTITIES,
)
LANGUAGE_FULL = Study(
    name="language_full",
    title="MiniLM on 20,000 of WordNet's definitions",
    settings=("wordnet_minilm", "wordnet_minilm_undropped", "wordnet_upper", "wordnet_scratch", "wordnet_minilm_upper",
              "wordnet_minilm_scratch"),
    quantities=QUANTITIES,
)
LANGUAGE_PAPER = Study(
    name="language_paper",
    title="The paper's language settings",
    settings=tuple(setting.name for setting in language.SETTINGS if setting.name.startswith("roberta")),
    quantities=QUANTITIES,
)

"""The files of a run folder, field by field: the page, and `described`, by which a test holds real runs against it."""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from docs.tables.markdown import table

NAMES = {  # what stands for one of several names in a field; no other name may stand there
    "split": r"train|test",
    "network": r"teacher|one_hot|distilled",
    "role": r"teacher|student",
    "side": r"low|high",
    "definition": r"weights|displacement",
    "fraction": r"0\.1|0\.25|0\.5",
    "bound": r"value|low|high",
    "layer": r"[\w.]+",
    "kind": r"clean|mislabelled",
    "group": r"both|only_teacher|only_student|neither",
    "value": r"epoch|step|loss|train_accuracy|test_accuracy",
    "gains": r"measured|predicted|linear",
    "kernel": r"tangent|inputs|features",
    "prefix": r"(?:inputs_|features_)?",
    "file": r"[\w.]+",
    "library": r"\w+",
}
TYPES = {"float": float, "int": (int, float), "str": str, "bool": bool, "list": list, "mapping": dict}


class Field(NamedTuple):
    """type: of JSON, with "?" behind it where it may be null, or the shape of an array."""

    name: str
    type: str
    unit: str
    meaning: str

    def is_of(self, path):
        """Whether a dotted path is this field, or lies inside it where the meaning describes the whole."""
        return _pattern(self.name, self.type.startswith("mapping")).fullmatch(path) is not None

    def takes(self, value):
        """Whether the value has the type of the field."""
        if value is None or isinstance(value, float) and self.type == "mapping?":
            return self.type.endswith("?")
        return isinstance(value, TYPES[self.type.rstrip("?")])


@cache
def _pattern(name, whole):
    parts = re.split(r"<(\w+)>", name)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?:{NAMES[part]})" for part in parts[1::2]]
    return re.compile("".join(parts) + (r"(\..*)?" if whole else ""))


@dataclass(frozen=True)
class File:
    """A file, or a part of result.json that some runs have."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]


def fields(*rows):
    return tuple(Field(*row) for row in rows)


SHARE, NATS, ODDS = "share", "nats", "log-odds"
INTERVALS = "`.value`, and `.low`, `.high` of a 95 % bootstrap interval over points"

DEVIATION = (
    ("points", "int", "", "points compared"),
    ("classes", "int", "", "classes that are left"),
    ("reference", "str", "", "`teacher`: confidence is measured on the class that the teacher predicts; `label`"),
    ("inputs", "str", "", "`logits` or `probabilities`"),
    ("interval", "str", "", "what the intervals are over"),
    ("clipped", "int", "", "confidences that were rounded to 0 or 1"),
    ("infinite", "mapping", "", "why a number is infinite, by its name"),
    ("reasons", "mapping", "", "why a slope is undetermined, by its name"),
    ("bounds", "mapping", "", "by name, the certain lower and upper end of what top-k rows leave open"),
    ("left_out.classes", "list", "", "indices of classes that both models have masked"),
    ("left_out.rows", "int", "", "rows without a label"),
    ("slope_<side>.<fraction>.value", "float?", "", "least-squares slope of the student's on the teacher's confidence, "
     "over this fraction of the points of which the teacher is least (`low`) or most (`high`) sure"),
    ("slope_<side>.<fraction>.<side>", "float?", "", "the ends of its 95 % bootstrap interval over points"),
    ("underfit", "float?", SHARE, "of the teacher's least confident quarter, where the student is less confident"),
    ("overfit", "float?", SHARE, "of its most confident quarter, where the student is more confident"),
    ("agreement", "float", SHARE, "points on which both predict the same class"),
    ("kl", "float?", NATS, "mean KL(teacher ‖ student)"),
    ("reverse_kl", "float?", NATS, "mean KL(student ‖ teacher)"),
    ("jensen_shannon", "float?", NATS, "mean Jensen-Shannon divergence"),
    ("entropy.<role>", "float", NATS, "mean entropy of the predictions"),
    ("verdict.sentence", "str", "", "the verdict in words"),
    ("verdict.notes", "list", "", "what to know about the numbers, in words"),
    ("verdict.<side>.kind", "str", "", "the verdict on one end: `exaggerates`, `shifted`, `steeper`, `reversed`, ..."),
    ("verdict.<side>.sentence", "str", "", "the same with its numbers"),
    ("groups.<group>.share", "float", SHARE, "points that `both`, `only_teacher`, `only_student`, `neither` get right"),
    ("groups.<group>.underfit", "float?", SHARE, "of these, where the student is less confident"),
    ("groups.<group>.of_underfit", "float?", SHARE, "of the points on which it is less confident, those of the group"),
    ("calibration.<role>.accuracy", "float", SHARE, "of correct predictions"),
    ("calibration.<role>.ece", "float", SHARE, "expected calibration error"),
    ("calibration.<role>.nll", "float?", NATS, "mean negative log-likelihood of the label"),
    ("calibration.<role>.brier", "float", "", "Brier score"),
)

RESULT = File("result.json", "Every run", "Written last: a run without it is not finished.", fields(
    ("schema", "int", "", "the version of this table; readers refuse another one"),
    ("files.<file>", "str", "SHA-256", "of each other file"),
    ("sha256", "str", "SHA-256", "of this file's own values"),
    ("setting", "str", "", "the setting's name"),
    ("title", "str", "", "and in words"),
    ("seed", "int", "", "the seed"),
    ("smoke", "bool", "", "a short run on synthetic data, which no figure or table uses"),
    ("commit", "str?", "", "of the code, if it is a checkout"),
    ("dirty", "bool?", "", "whether that had uncommitted changes"),
    ("versions.<library>", "str", "", "of Python and the libraries"),
    ("device", "str", "", "where it was trained"),
    ("threads", "int", "", "of PyTorch on the CPU"),
    ("machine", "str", "", "system and number of cores"),
    ("data.source", "str", "", "which source of the data set was used"),
    ("data.note", "str", "", "the same in words"),
    ("data.sha256", "str", "SHA-256", "of the arrays that were trained on"),
))

TRAINED = File("result.json", "Runs of a setting", "Further fields of `python -m validation.run` and of studies.", fields(
    ("guesses", "mapping", "", "dotted name of each value that the paper does not give -> why it was chosen"),
    ("seconds", "float", "s", "of all trainings together"),
    ("notes", "mapping", "", "what the training accuracies refer to; of pretrained networks source, digests, versions"),
    ("accuracy.<split>.<network>", "float", SHARE, "of correct predictions after the last epoch; `distilled` is the student"),
    ("at_chance.<split>", "list", "", "networks that are no better than guessing"),
    ("epochs.<network>.last.<value>", "int", "", "`epoch`, `step`, `loss`, `train_accuracy`, `test_accuracy` at the end"),
    ("epochs.<network>.best.<value>", "int", "", "the same at the first epoch with the best test accuracy"),
    ("halves.even.<network>", "float", SHARE, "accuracy on test examples of even index; one half may choose, the other test"),
    ("halves.odd.<network>", "float", SHARE, "on those of odd index"),
    ("published", "mapping?", "per cent", "the paper's accuracies"),
    ("teachers.<network>", "str", "", "folder, in `--out`, of the network trained on labels"),
    ("taught_on.<network>", "str", "", "the device that it was trained on"),
    *((f"deviation.<split>.{name}", *rest) for name, *rest in DEVIATION),
    ("by_label.<split>.slope_low.<fraction>.<bound>", "float?", "", f"slope of the confidence on the label's class: {INTERVALS}"),
    ("by_label.<split>.underfit", "float?", SHARE, "underfit points on the label's class"),
    ("by_label.<split>.either_wrong.of_underfit", "float?", SHARE, "of the underfit points, those that teacher or student gets wrong"),
    ("by_label.<split>.either_wrong.are_underfit", "float?", SHARE, "of the points that either gets wrong, those underfit"),
    ("by_label.<split>.either_wrong.overlap", "float?", SHARE, "points in both sets over points in either"),
    ("mislabelled_points", "mapping", "", "empty where all or no training labels are flipped; else the next rows"),
    ("mislabelled_points.separation", "float", "probability", "that the teacher is less confident on a mislabelled than on a clean point"),
    ("mislabelled_points.<kind>.points", "int", "", "how many, `mislabelled` and `clean` apart"),
    ("mislabelled_points.<kind>.confidence", "float", ODDS, "median confidence of the teacher"),
    ("mislabelled_points.<kind>.low", "float", SHARE, "of them, in the teacher's least confident quarter"),
    ("mislabelled_points.<kind>.underfit", "float", SHARE, "of them, where the student is less confident"),
    ("mislabelled_points.<kind>.underfit_low", "float?", SHARE, "the same of those in that quarter"),
    ("mislabelled_points.<kind>.fitted", "float", SHARE, "of them, whose label the teacher predicts"),
    ("mislabelled_points.<kind>.underfit_fitted", "float?", SHARE, "as `underfit_low`, of the fitted ones"),
    ("eigenspace", "mapping", "", "empty where no layer is recorded; else by layer the next rows"),
    ("eigenspace.<layer>.<definition>.share", "float?", SHARE, "of the path on which the student lies below, mean over pairs"),
    ("eigenspace.<layer>.<definition>.low", "float?", SHARE, "the lower end of its 95 % interval over pairs"),
    ("eigenspace.<layer>.<definition>.high", "float?", SHARE, "the upper end"),
    ("eigenspace.<layer>.<definition>.exaggerated", "int", "", "pairs with a share above one half"),
    ("eigenspace.<layer>.<definition>.pairs", "int", "", "pairs that could be compared"),
    ("eigenspace.<layer>.<definition>.p_pairs", "float", "", "p-value of the two-sided sign test"),
    ("eigenspace.<layer>.per_pair", "list", "", "of each pair its indices `top` and `bottom`, and its share by definition"),
    ("mislabelled", "mapping", "", "empty where labels or directions do not allow it; else by network and kind of example:"),
    ("mislabelled.<role>_<kind>.top", "float", SHARE, "of the fit that the top directions carry, of `clean` or `mislabelled` examples"),
    ("mislabelled.<role>_<kind>.rest", "float", SHARE, "that the other directions carry"),
))

FUNCTION_SPACE = File("result.json", "Runs of function_space", "Further fields of `python -m validation.function_space`.", fields(
    ("exact", "bool", "", "whether the closed form is exact for its steps"),
    ("steps_seen", "list", "steps", "after which gains were measured"),
    ("largest_eigenvalue", "float", "", "of the tangent kernel"),
    ("kernel_change", "float", "relative", "change of the tangent kernel by training, in the Frobenius norm"),
    ("drift.<role>", "float", "relative", "of the measured gains from the predicted ones, at the end"),
    ("drift_over_time.<role>", "list", "relative", "after each of `steps_seen`"),
    ("drift_along.<kernel>.<role>", "float", "relative", "along the eigenvectors of the kernel `tangent`, `inputs` or `features`"),
    ("drift_linear.<role>", "float", "relative", "from the linearised network under the cross-entropy"),
    ("mean_difference.<role>", "float", "gain", "mean size of the difference, over directions that carry targets"),
    ("exaggeration", "mapping", "", "empty where there are too few directions; else the next rows"),
    ("exaggeration.left", "float", SHARE, "median of what the teacher leaves unlearned along bottom directions"),
    ("exaggeration.<gains>.share", "float?", SHARE, "as of `eigenspace`, in gains: `measured`, `predicted`, `linear`"),
    ("exaggeration.<gains>.exaggerated", "int", "", "pairs with a share above one half"),
    ("exaggeration.<gains>.pairs", "int", "", "pairs that could be compared"),
))

CLOSED_FORM = File("result.json", "Runs of closed_form", "Further fields of the study `closed_form`.", fields(
    ("largest_eigenvalue", "float", "", "of the kernel"),
    ("diagrams", "list", "", "for each `label_noise` and `teacher_fraction`: `times`, and by training time of `teacher`, "
     "`student`, ... the accuracies `train` and `test` and the `risk`"),
))

METRICS = File("metrics.jsonl", "metrics.jsonl", "A line for each evaluated epoch of each network.", fields(
    ("role", "str", "", "`teacher`, `one_hot` or `distilled`"),
    ("epoch", "int", "", "epochs done"),
    ("step", "int", "", "steps done"),
    ("loss", "float", "loss", "mean training loss of the epoch"),
    ("train_accuracy", "float", SHARE, "on the evaluated training examples, against the labels trained on"),
    ("test_accuracy", "float", SHARE, "on the test examples"),
))

OUTPUTS = File("outputs.npz", "outputs.npz", "Arrays; n training and m test examples, C classes.", fields(
    ("teacher_<split>", "(n or m, C) float", "logits", "of the teacher"),
    ("student_<split>", "(n or m, C) float", "logits", "of the distilled student"),
    ("one_hot_<split>", "(n or m, C) float", "logits", "of the student's network trained on labels, where it is not the teacher"),
    ("train_labels", "(n,) int", "class", "labels trained on"),
    ("train_true_labels", "(n,) int", "class", "labels before any was flipped"),
    ("test_labels", "(m,) int", "class", "labels of the test examples"),
    ("mislabelled", "(n,) bool", "", "where the label trained on is wrong"),
))

SNAPSHOTS = File("snapshots.npz", "snapshots.npz", "The student during training, in half precision; E snapshots.", fields(
    ("epochs", "(E,) int", "epochs", "of the snapshots"),
    ("student", "(E, n, C) float", "logits", "of the student on the training examples"),
    ("teacher", "(n, C) float", "logits", "of its teacher at the end"),
))

TRAJECTORY = File("trajectory.npz", "trajectory.npz", "Recorded layers; R records, d directions, P pairs.", fields(
    ("every", "() int", "steps", "between two records"),
    ("<layer>/teacher", "(2, R, d) float", "weight", "‖W v_k‖ of the teacher: of its weights, and of its displacement from the start"),
    ("<layer>/student", "(2, R, d) float", "weight", "the same of the student"),
    ("<layer>/eigenvalues", "(d,) float", "", "of the layer's inputs, descending"),
    ("<layer>/pairs", "(P, 2) int", "index", "top and bottom direction of each pair"),
))

MISLABELLED = File("mislabelled.npz", "mislabelled.npz", "Which directions fit mislabelled examples.", fields(
    ("eigenvalues", "(d,) float", "", "of the inputs, descending"),
    ("<role>_<kind>", "(d,) float", SHARE, "of the fit of `clean` or `mislabelled` examples along each direction"),
))

GAINS = File("gains.npz", "gains.npz", "Gains in function space; k directions, of which K carry targets, R marks. Names "
             "without a prefix are of the tangent kernel; `inputs_` and `features_` are of the other two.", fields(
    ("<prefix>eigenvalues", "(k,) float", "", "of the kernel, descending"),
    ("<prefix>size", "(k,) float", "target", "norm of the targets along each direction"),
    ("<prefix><gains>_<role>", "(k,) float", "gain", "`measured`, `predicted` or `linear`, at the end"),
    ("<gains>_<role>_over_time", "(R, K) float", "gain", "after each of `steps_seen`"),
))

CONFIG = File("config.json", "config.json", "Everything that decides the run's numbers. Its parts are those of "
              "`validation.settings.setting`; `python -m validation.run SETTING --dry-run` prints them all.", fields(
    ("setting", "str", "", "the setting's name"),
    ("seed", "int", "", "the seed"),
    ("smoke", "bool", "", "a short run on synthetic data"),
    ("data_source", "str", "", "which source of the data, and the digest of your own files"),
    ("sha256", "str", "SHA-256", "of this file's own values"),
    ("data", "mapping?", "", "data set, view, number of examples, flipped labels; in other kinds of runs the data set's name"),
    ("model", "mapping", "", "the teacher's network"),
    ("student_model", "mapping?", "", "the student's, if it is another one"),
    ("teacher", "mapping", "", "how the teacher is trained"),
    ("student", "mapping", "", "how the student is trained"),
    ("analysis", "mapping", "", "recorded layers and pairs"),
    ("evaluation", "mapping", "", "when networks are evaluated, what is saved"),
    ("share_initialisation", "bool", "", "whether the student starts where its one-hot network does"),
    ("precision", "str", "", "of the computations in training"),
))

OTHER_CONFIG = File("config.json", "config.json of function_space and closed_form", "In place of the networks' parts.", fields(
    ("width", "int", "units", "of the hidden layer"),
    ("examples", "int", "", "training examples"),
    ("steps", "int", "steps", "of each training"),
    ("learning_rate", "float", "", "in units of 1 / the largest eigenvalue, for Adam of 0.001"),
    ("loss", "str", "", "`squared` or `cross_entropy`"),
    ("optimiser", "str", "", "`sgd`, `momentum` or `adam`"),
    ("of", "str", "", "the setting that is computed in closed form"),
    ("label_noise", "list", SHARE, "flipped labels of the diagrams"),
    ("teacher_fractions", "list", SHARE, "of the examples that the teacher sees"),
    ("times", "int", "", "training times"),
    ("decades", "list", "", "the range of training times"),
    ("test_examples", "int", "", "test examples"),
))

FILES = (RESULT, TRAINED, FUNCTION_SPACE, CLOSED_FORM, CONFIG, OTHER_CONFIG, METRICS, OUTPUTS, SNAPSHOTS, TRAJECTORY,
         MISLABELLED, GAINS)


def described(file, path):
    """The fields of the page that describe a dotted path of a file."""
    return [field for part in FILES if part.name == file for field in part.fields if field.is_of(path)]


def pages():
    """name -> Markdown."""
    return {"run_files.md": "\n\n".join(map(_section, FILES))}


def _section(part):
    title = f"result.json: {part.title[0].lower()}{part.title[1:]}" if part.name == "result.json" else part.title
    rows = [(f"`{field.name}`", field.type, field.unit, field.meaning) for field in part.fields]
    return f"## {title}\n\n{part.about}\n\n{table(('field', 'type', 'unit', 'meaning'), rows)}"

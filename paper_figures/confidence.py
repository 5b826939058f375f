"""Fig. 18: student against teacher confidence on the training data."""

from matplotlib.figure import Figure

from eigenkd import deviation, plot
from paper_figures.captions import caption, drawn
from validation.runs import Unusable

SETTINGS = {"rf_noisy_mnist": "Random features, noisy labels", "mlp_mnist": "MLP, clean labels"}


def draw(choice):
    """One panel per setting; mislabelled points are highlighted if there are any."""
    found, problems = [], []
    for setting in SETTINGS:
        try:
            found.append(choice.require(setting)[0])
        except Unusable as problem:
            problems.append(str(problem))
    if problems:
        raise Unusable("; ".join(problems))
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    for ax, run in zip(figure.subplots(1, len(found)), found):
        teacher, student, wrong = run.arrays("outputs.npz", "teacher_train", "student_train", "mislabelled")
        compared = deviation.compare(teacher, student, inputs="logits", masked="keep")
        label = "correctly labelled" if wrong.any() else "training point"
        plot.confidence(compared, ax=ax, highlight=(wrong, "mislabelled"), label=label)
        ax.set_title(f"{SETTINGS[run.field('setting')]}\n{compared.underfit():.0%} of the teacher's least confident "
                     "quarter underfit", fontsize=11)
    caption(figure, f"{drawn(*found)} Training points. Below the dashed line, the student is less confident than its "
                    "teacher (underfit).")
    return figure

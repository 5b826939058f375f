"""Figs. 25 and 26: the scatter of confidences at several times of the student's training, by its loss."""

from matplotlib.figure import Figure

from eigenkd import deviation
from paper_figures import scatter
from paper_figures.captions import between, drawn, legend_of, seeds_in_words, titled
from paper_figures.style import WIDTH
from validation.studies.quantities import slope

FILE = "snapshots.npz"
MOST = 5  # columns


def draw(found):
    """A row a loss and a column an epoch, the training points of one seed; all panels share their axes."""
    rows = [(variant, *run.arrays(FILE, "epochs", "student", "teacher")) for variant, run in found.first]
    columns = min(MOST, max(len(epochs) for _, epochs, *_ in rows))
    side = min(3.2, WIDTH / columns - 0.3)
    figure = Figure(figsize=(max((side + 0.3) * columns + 0.3, 6.0), (side + 0.25) * len(rows) + 1.5),
                    layout="compressed")
    axes, drawn_in = figure.subplots(len(rows), columns, squeeze=False), []
    for row, (panels, (_, epochs, student, teacher)) in enumerate(zip(axes, rows)):
        shown = chosen(len(epochs), columns)
        for ax, k in zip(panels, shown):
            compared = deviation.compare(teacher, student[k], inputs="logits", masked="keep")
            scatter.panel(ax, compared, told=scatter.of_one(compared))
            ax.set_title(f"epoch {epochs[k]}" if row == 0 or len(epochs) != len(rows[0][1]) else "")
        drawn_in += panels[:len(shown)].tolist()
        for ax in panels[len(shown):]:
            ax.remove()
    scatter.square(*drawn_in)
    scatter.labels(axes)
    for panels, (variant, *_) in zip(axes, rows):
        panels[0].set_ylabel(f"{words(variant.labels[-1])}\n{panels[0].get_ylabel()}")
    last = ", ".join(f"{words(variant.labels[-1])} {between([(slope(), mine)])}" for variant, mine in found.runs)
    teachers = dict.fromkeys(variant.labels[-2] for variant, _ in found.runs)
    seed = seeds_in_words({run.seed for _, run in found.first})
    return titled(figure, f"Slope over the teacher's least confident quarter at the end: {last}",
                  f"Rows: the student's loss; teacher: {', '.join(teachers)}. Panels: training points and numbers of "
                  f"{seed}. {drawn(found.all)}", legend_of(*axes.ravel()))


def chosen(count, columns):
    """Which of `count` snapshots are drawn: the first, the last, and some evenly between."""
    if count <= columns:
        return list(range(count))
    return [round(k * (count - 1) / (columns - 1)) for k in range(columns)]


def words(label):
    """A loss as text."""
    return label.replace("one_hot", "one-hot")

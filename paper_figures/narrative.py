"""Fig. 3: how the paper's argument hangs together."""

from matplotlib.figure import Figure

from paper_figures.captions import titled

BOXES = {  # name -> (x, y) of its middle
    "Gradient descent learns\nthe top eigendirections first": (0.11, 0.5),
    "The student exaggerates\nthis bias (Thm. 4.1, Figs. 1b, 19-23)": (0.48, 0.5),
    "It deviates: exaggerated\nconfidence (Figs. 1a, 2, 5-18)": (0.87, 0.82),
    "It can be better than its\nteacher (Table 2, Figs. 4, 24)": (0.87, 0.18),
}
ARROWS = ((0, 1, "distillation"), (1, 2, "Fig. 4a"), (1, 3, "if the teacher\nfits the labels"))


def draw(found=None):
    """Four boxes and the arrows between them. Needs no run."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    ax = figure.subplots()
    ax.set_axis_off()
    ax.set(xlim=(-0.03, 1.03), ylim=(0, 1))
    places, drawn = list(BOXES.values()), []
    for name, (x, y) in BOXES.items():
        drawn.append(ax.text(x, y, name, ha="center", va="center", fontsize=10, bbox={
            "boxstyle": "round,pad=0.6", "facecolor": "#E8F1F8", "edgecolor": "#0072B2"}))
    for start, end, words in ARROWS:
        ax.annotate("", places[end], places[start], arrowprops={
            "arrowstyle": "-|>", "color": "#444444", "linewidth": 1.4, "patchA": drawn[start].get_bbox_patch(),
            "patchB": drawn[end].get_bbox_patch(), "shrinkA": 2, "shrinkB": 2})
        (x0, y0), (x1, y1) = places[start], places[end]
        ax.text((x0 + x1) / 2 - 0.005, (y0 + y1) / 2 + 0.04 + 0.05 * (y1 < y0), words, ha="center", va="bottom",
                fontsize=8, color="#444444")
    return titled(figure, "What the paper argues: one exaggerated bias gives both deviations and better students",
                  "In brackets: the figures and tables that measure each step. Which of them came out on the networks "
                  "trained here, and which did not, stands in docs/findings.md.")

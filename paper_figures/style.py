"""The style that all figures share: fonts for a page of a width of ten inches, no frame, text that stays text."""

WIDTH = 10.0  # inches of a figure that fills the page

STYLE = {
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "legend.frameon": False, "figure.titlesize": 12, "figure.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlepad": 5,
    "svg.fonttype": "none", "svg.hashsalt": "eigenkd", "pdf.fonttype": 42,
}

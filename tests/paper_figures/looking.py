"""What a reader sees of a figure."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def shown_in(figure):
    """All text of a figure, in one line."""
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def check_whole(figure):
    """Asserts that nothing is cut off and that titles, captions and panels do not overlap."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    whole = figure.bbox.padded(2)
    parts = [part for part in (figure._suptitle, figure._supxlabel, *figure.legends, *figure.axes) if part]
    boxes = [part.get_tightbbox(canvas.get_renderer()) for part in parts]
    for box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, box
    for k, box in enumerate(boxes):
        for other in boxes[k + 1:]:
            assert not box.padded(-2).overlaps(other.padded(-2)), (box, other)

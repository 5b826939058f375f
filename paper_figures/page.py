"""The phase diagram as one HTML file to explore: a point a run, with setting, seed and numbers where the pointer is."""

import json
from html import escape

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from paper_figures import phase
from paper_figures.captions import drawn, seeds_in_words
from validation.closed_form.matching import diagram_of, gain_at

OFFSETS = {1.0: 0.10, 0.5: -0.20}  # of a teacher's share of the data, in units of the distance of two noise rates
FITS = 160  # of the closed form's bands


def page(found):
    """The document; it needs no network. Raises ImportError without plotly."""
    cells, closed = phase.cells(found)
    rates = sorted({cell.rate for cell in cells})
    bands = [_band(closed, rate, fraction, i) for i, rate in enumerate(rates) for fraction in OFFSETS if closed]
    bands = [band | {"showlegend": k == 0} for k, band in enumerate(filter(None, bands))]
    without = "closed form: none of this seed" + (f" ({seeds_in_words(closed)} have one)" if closed else "")
    traces = bands + [_runs(cells, fraction, rates, without) for fraction in OFFSETS]
    layout = {
        "xaxis": {"title": {"text": "training labels that the teacher gets right (%)"}, "range": [38, 102]},
        "yaxis": {"title": {"text": "labels flipped"}, "tickvals": list(range(len(rates))),
                  "ticktext": [f"{rate:.0%}" for rate in rates], "range": [-0.6, len(rates) - 0.4], "zeroline": False},
        "legend": {"orientation": "h", "y": -0.2}, "margin": {"t": 20}, "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "size": 14}}
    return TEMPLATE.format(
        plotly=_plotly(), title=escape(phase.finding(cells, closed)), told=escape(drawn(found.all)),
        traces=_json([trace for trace in traces if trace["x"]]), layout=_json(layout), most=phase.MOST,
        colours=_json([[k / 10, to_hex(colormaps[phase.COLORS](k / 10))] for k in range(11)]))


def _runs(cells, fraction, rates, without):
    """The runs of teachers of one share of the data, as a trace; runs of one cell lie a little apart. without: what a
    run says that has no closed form beside it."""
    places, colours, told = [], [], []
    for cell in cells:
        if cell.fraction != fraction:
            continue
        for k, (run, (fit, student, gain), (long, own)) in enumerate(zip(cell.runs, cell.measured, cell.predicted)):
            spread = 0.05 * (k - (len(cell.runs) - 1) / 2)
            places.append((fit, rates.index(cell.rate) + OFFSETS[fraction] + spread))
            colours.append(gain)
            told.append("<br>".join([
                f"<b>{escape(run.name)}</b>, seed {run.seed}", f"gain on test: {gain:+.2f} points",
                f"labels right: teacher {fit:.1f} %, student {student:.1f} %",
                f"closed form: {long:+.2f} trained as long, {own:+.2f} at the student's own fit"
                if np.isfinite([long, own]).all() else without]))
    return {"type": "scatter", "mode": "markers", "x": [round(x, 4) for x, _ in places],
            "y": [round(y, 4) for _, y in places], "text": told, "hovertemplate": "%{text}<extra></extra>",
            "name": f"a run, teacher of {'all' if fraction == 1 else 'half'} the data",
            "marker": {"color": [round(value, 4) for value in colours], "coloraxis": "coloraxis", "size": 13,
                       "symbol": "circle" if fraction == 1 else "square", "line": {"color": "black", "width": 1}}}


def _band(closed, rate, fraction, i):
    """The closed form's gain at every fit of the teacher, the mean of all seeds, as a trace; None without a diagram."""
    diagrams = [one for one in (diagram_of(result, rate, fraction) for result in closed.values()) if one]
    if not diagrams:
        return None
    low = max(min(one["teacher"]["train"]) for one in diagrams)
    high = min(max(one["teacher"]["train"]) for one in diagrams)
    fits = np.linspace(low, high, FITS)
    gains = np.mean([[gain_at(result, rate, fraction, fit) for fit in fits] for result in closed.values()], axis=0)
    middle = i + OFFSETS[fraction]
    whose = "all" if fraction == 1 else "half"
    return {"type": "heatmap", "x": [round(100 * fit, 3) for fit in fits], "y": [middle - 0.13, middle + 0.13],
            "z": [[round(gain, 4) for gain in gains]], "coloraxis": "coloraxis", "opacity": 0.75,
            "name": "closed form, a band for teachers of all and of half the data", "legendgroup": "bands",
            "hovertemplate": f"closed form, {rate:.0%} flipped, teacher of {whose} the data<br>"
                             "teacher fits %{x:.1f} %: gain %{z:+.2f} points<extra></extra>"}


def _plotly():
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("page: expected plotly, which is missing; pip install 'eigenkd[report]'") from error
    return get_plotlyjs()


def _json(data):
    """JSON for a script element: no string in it can end the script."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>When distillation helps</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 1100px; padding: 0 1rem; color: #222}}
h1 {{font-size: 1.3rem}} p {{color: #444; font-size: 0.9rem}} #phase {{height: 68vh; min-height: 420px}}</style>
<script>{plotly}</script></head><body>
<h1>{title}</h1>
<p>Colour: the student's test accuracy less its teacher's, in points. A point is a run; a band is the closed form on
the network's tangent kernel, trained equally long, with nothing fitted. Point at either for setting, seed and numbers;
click the legend to hide, drag to zoom, double-click to return.</p>
<div id="phase"></div><p>{told}</p>
<script>
const layout = {layout};
layout.coloraxis = {{colorscale: {colours}, cmin: -{most}, cmax: {most}, cmid: 0,
                     colorbar: {{title: {{text: "gain (points)", side: "right"}}}}}};
Plotly.newPlot("phase", {traces}, layout, {{responsive: true, displaylogo: false}});
</script></body></html>
"""

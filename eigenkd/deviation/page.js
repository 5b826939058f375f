"use strict";
// The points come from `students`, one entry a student; the menus choose what of it is drawn.
const plot = document.getElementById("plot");
const viewMenu = document.getElementById("view");
const studentMenu = document.getElementById("student");
const zoomButton = document.getElementById("zoom");
const MARKS = [["#E69F00", "triangle-up"], ["#009E73", "diamond"], ["#D55E00", "square"], ["#CC79A7", "cross"], ["#56B4E9", "x"]];
const BUTTONS = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]; // none that uploads
let zoomed = false;
students.forEach((s) => s.masks.forEach((mask) => { mask.members = new Set(mask.at); }));

const student = () => students[studentMenu ? Number(studentMenu.value) : 0];
const view = () => student().views[viewMenu.value];

function describe(at) {
  const s = student();
  const label = s.labels ? `<br>label: class ${s.labels[at]}` : "";
  const masks = s.masks.filter((mask) => mask.members.has(at)).map((mask) => `<br>${mask.name}`).join("");
  return `<b>point ${s.index[at]}</b><br>teacher: class ${s.teacher_class[at]}<br>student: class ${s.student_class[at]}${label}${masks}`;
}

function points(name, at, color, symbol, size) {
  const v = view();
  return {
    type: "scatter", mode: "markers", name, x: at.map((i) => v.x[i]), y: at.map((i) => v.y[i]), text: at.map(describe),
    hovertemplate: "%{text}<br>(%{x:.3f}, %{y:.3f})<extra></extra>",
    marker: { color, symbol, size, opacity: symbol === "circle" ? 0.6 : 0.9,
              line: { width: symbol === "circle" ? 0 : 0.6, color: "#000" } },
  };
}

function line(name, x, y, dash, color, width) {
  return { type: "scatter", mode: "lines", name, x, y, line: { dash, color, width }, hoverinfo: "skip" };
}

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  return low <= high ? [low, high] : [-1, 1]; // no point is finite
}

function traces() {
  const s = student(), v = view(), count = s.index.length;
  const size = count > 2000 ? 4 : count > 500 ? 5 : 8;
  const marked = new Set(s.masks.flatMap((mask) => mask.at));
  const others = [...Array(count).keys()].filter((i) => !marked.has(i));
  const drawn = [points(s.masks.length ? "other points" : "points", others, "#0072B2", "circle", size)];
  s.masks.forEach((mask, k) => drawn.push(points(mask.name, mask.at, ...MARKS[k % MARKS.length], size + 2)));
  if (v.diagonal) {
    const [low, high] = extent([...v.x, ...v.y]);
    drawn.push(line("student = teacher", [low, high], [low, high], "dash", "#555555", 1.2));
  }
  if (viewMenu.value === "confidence") {
    s.lines.forEach((fit) => drawn.push(line(fit.name, fit.x, fit.y, fit.side === "low" ? "solid" : "dot", "#000000", 2.5)));
  }
  return drawn;
}

function padded([low, high]) {
  const pad = 0.06 * (high - low) || 1;
  return [low - pad, high + pad];
}

function axis(title, values, corner, narrow) {
  return { title: { text: narrow ? title.replace(" on ", "<br>on ") : title, standoff: 8 }, range: padded(zoomed ? corner : extent(values)), zeroline: false, gridcolor: "#e6e6e6",
           linecolor: "#555", showline: true, ticks: "outside", automargin: true };
}

function draw() {
  const v = view(), narrow = plot.clientWidth < 600;
  const hidden = v.hidden ? `${v.hidden} point${v.hidden > 1 ? "s are" : " is"} infinite on these axes and not drawn. ` : "";
  document.getElementById("thinned").textContent = hidden + student().thinned;
  zoomButton.textContent = zoomed ? "Show all points" : "Zoom into the low corner";
  Plotly.react(plot, traces(), {
    xaxis: axis(v.xlabel, v.x, v.corner[0], narrow), yaxis: axis(v.ylabel, v.y, v.corner[1], narrow),
    margin: { l: 50, r: narrow ? 12 : 44, t: 10, b: 45 }, modebar: { orientation: "v" }, hovermode: "closest", dragmode: narrow ? false : "zoom",
    font: { family: "system-ui, sans-serif", size: narrow ? 12 : 14, color: "#1a1a1a" },
    hoverlabel: { bgcolor: "#fff", bordercolor: "#555", align: "left", font: { color: "#1a1a1a" } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
  }, { responsive: true, displaylogo: false, displayModeBar: !narrow, modeBarButtons: BUTTONS });
}

viewMenu.addEventListener("change", () => { zoomed = false; draw(); });
if (studentMenu) studentMenu.addEventListener("change", draw);
zoomButton.addEventListener("click", () => { zoomed = !zoomed; draw(); });
draw();

"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const number = (v) => Math.abs(v) >= 1e9 ? v.toExponential(1).replace("e+", "e").replaceAll("-", "−") : v.toLocaleString("en", Math.abs(v) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }).replace("-", "−");
const clamped = (i, n) => Math.max(0, Math.min(n - 1, i));

// Light or dark: the system's until the reader says otherwise; kept where the browser lets a file keep anything.
const toggle = document.querySelector(".theme");
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
const showTheme = () => toggle.setAttribute("aria-pressed", isDark());
try { root.dataset.theme = localStorage.getItem("ganzoo-theme") ?? ""; } catch {}
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("ganzoo-theme", root.dataset.theme); } catch {}
  showTheme();
});
systemDark.addEventListener("change", showTheme);
showTheme();

for (const show of all(".slideshow")) {
  const frames = () => all("img", show); // which may become more
  const [slider, output, play] = ["input", "output", ".play"].map((name) => show.querySelector(name));
  let timer = 0;
  const go = (index) => {
    frames().forEach((frame, i) => { frame.hidden = i !== index; });
    slider.value = index;
    output.textContent = show.dataset.caption.replace("{}", frames()[index].dataset.step);
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const advance = () => {
    const next = Number(slider.value) + 1;
    if (next < frames().length) go(next);
    if (next >= frames().length - 1) stop();
  };
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  slider.addEventListener("refresh", () => { if (!timer) go(Number(slider.value)); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === frames().length - 1) go(0);
    play.textContent = "Pause";
    timer = setInterval(advance, 450);
  });
  if (frames().length) go(frames().length - 1);
  show.querySelector(".controls").hidden = frames().length < 2;
}

// A chart is a slider over its steps: pointer and arrow keys move it, and a screen reader says the values.
const livenChart = (figure) => {
  const plot = figure.querySelector(".plotted");
  const { x, y, log, unit, hues, lines } = JSON.parse(plot.dataset.chart);
  const scaled = (v) => (log ? Math.log(v) : v);
  const [low, high] = y.map(scaled);
  const values = all("li b", figure);
  const steps = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const part = (name) => plot.appendChild(Object.assign(document.createElement("div"), { className: name, hidden: true }));
  const cursor = part("cursor");
  const dots = lines.map((_, i) => part(`dot s${hues[i]}`));
  let index = steps.length - 1;
  const nearest = (list, step) => list.reduce((best, s, i) => (Math.abs(s - step) < Math.abs(list[best] - step) ? i : best), 0);
  const go = (to) => {
    index = clamped(to, steps.length);
    const said = lines.map((line, i) => {
      const k = nearest(line.x, steps[index]);
      dots[i].style.left = `${(100 * (line.x[k] - x[0])) / (x[1] - x[0])}%`;
      dots[i].style.top = `${100 - (100 * (scaled(line.y[k]) - low)) / (high - low)}%`;
      return `${line.name} ${(values[i].textContent = number(line.y[k]))}`;
    });
    cursor.style.left = `${(100 * (steps[index] - x[0])) / (x[1] - x[0])}%`;
    values.at(-1).textContent = unit === "step" ? steps[index].toLocaleString("en") : number(steps[index]);
    plot.setAttribute("aria-valuenow", index);
    plot.setAttribute("aria-valuetext", `${unit} ${values.at(-1).textContent}: ${said.join(", ")}`);
  };
  const mark = (on) => [cursor, ...dots].forEach((each) => { each.hidden = !on; });
  const leave = () => { mark(document.activeElement === plot); if (document.activeElement !== plot) go(steps.length - 1); };
  for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": steps.length - 1 })) plot.setAttribute(name, value);
  go(index);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    mark(true);
    go(nearest(steps, x[0] + ((event.clientX - box.left) / box.width) * (x[1] - x[0])));
  });
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("focus", () => mark(true));
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    const far = Math.ceil(steps.length / 10);
    const moves = { ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1, PageDown: index - far, PageUp: index + far, Home: 0, End: steps.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]);
  });
};
all(".chart").forEach(livenChart);

for (const block of all(".code")) {
  const button = block.querySelector("button");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

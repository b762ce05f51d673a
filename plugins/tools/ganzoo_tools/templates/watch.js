const at = (id) => document.getElementById(id);
const state = { paused: false, ended: false };
const events = new EventSource("events");
const on = (name, does) => events.addEventListener(name, (event) => does(event.data));
const complain = (sentence) => { at("trouble").textContent = sentence; at("trouble").hidden = !sentence; };
const buttons = all("#controls button");

// What the run is asked for.
const ask = async (wish) => {
  try {
    const answer = await fetch(`control?do=${wish}`, { method: "POST" });
    complain(answer.ok ? "" : await answer.text());
  } catch {
    complain("The run does not answer any more.");
  }
};
at("pause").addEventListener("click", () => ask(state.paused ? "go" : "pause"));
at("step").addEventListener("click", () => ask("step"));
at("stop").addEventListener("click", () => ask("stop"));

// Numbers.
on("state", (data) => {
  const now = JSON.parse(data);
  state.paused = now.paused;
  at("pause").textContent = now.paused ? "Go on" : "Pause";
  at("share").value = now.share;
  const facts = [["step", now.step], ["left", now.paused ? "paused" : now.left], ["samples/s", now.rate], ...now.figures].filter((fact) => fact[1]);
  document.querySelector(".facts").replaceChildren(...facts.map(([name, value]) => {
    const [pair, dt, dd] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [dt.textContent, dd.textContent] = [name, value];
    pair.append(dt, dd);
    return pair;
  }));
  say(now.stopping ? "Stopping and saving" : now.waits ? `Paused after step ${now.step}` : at("status").dataset.words);
});
const say = (words) => { if (at("status").textContent !== words) at("status").textContent = words; };

// Charts stand still while somebody reads them.
let latestCharts = "";
const showCharts = () => {
  const place = at("charts");
  if (!latestCharts || place.matches(":hover, :focus-within")) return;
  at("soon").hidden = true;
  place.innerHTML = latestCharts.replaceAll(' style="', ' data-style="'); // the policy lets a script alone set styles
  latestCharts = "";
  for (const part of all("[data-style]", place)) part.style.cssText = part.dataset.style;
  all(".chart", place).forEach(livenChart);
};
on("charts", (data) => { latestCharts = data; showCharts(); });
setInterval(showCharts, 1000);

// Snapshots: the slider stays at the newest unless it was moved away.
on("snapshot", (data) => {
  const { step, uri } = JSON.parse(data);
  const show = at("snapshots"), frames = show.querySelector(".frames"), slider = show.querySelector("input");
  if (frames.querySelector(`[data-step="${step}"]`)) return;
  const follows = Number(slider.value) === Number(slider.max);
  const image = Object.assign(new Image(), { src: uri, alt: `Samples after step ${step}`, className: frames.dataset.look, hidden: true });
  image.dataset.step = step;
  frames.append(image);
  slider.max = frames.children.length - 1;
  if (follows) { slider.value = slider.max; slider.dispatchEvent(new Event("refresh")); }
  show.hidden = false;
  show.querySelector(".controls").hidden = frames.children.length < 2;
});

// The plane.
const canvas = document.querySelector("#plane canvas");
const REACH = 1.05, THOUSAND = 1000;
let frame = null;
const colour = (selector) => getComputedStyle(document.querySelector(selector)).color;
const rgb = (selector) => colour(selector).match(/[\d.]+/g).slice(0, 3).map(Number);
const drawPlane = () => {
  if (!frame) return;
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const to = canvas.getContext("2d"), scale = side / (2 * REACH), dot = Math.max(1.5, side / 260);
  const x = (v) => (v / THOUSAND + REACH) * scale, y = (v) => (REACH - v / THOUSAND) * scale;
  to.clearRect(0, 0, side, side);
  if (frame.surface) drawSurface(to, side);
  const [real, fake, ink] = [".key .real i", ".key .fake i", ".key .pull i"].map(colour);
  const paper = getComputedStyle(document.body).backgroundColor;
  to.globalAlpha = 0.7;
  dots(to, frame.real, x, y, dot * 0.7, real);
  to.globalAlpha = 0.75;
  to.strokeStyle = ink;
  to.lineWidth = Math.max(1, side / 700);
  to.beginPath();
  for (let i = 0; i < frame.fake.length; i += 2) arrow(to, x, y, i);
  to.stroke();
  to.globalAlpha = 1;
  dots(to, frame.fake, x, y, dot * 1.35, paper);
  dots(to, frame.fake, x, y, dot, fake);
};
const dots = (to, points, x, y, radius, fill) => {
  to.fillStyle = fill;
  to.beginPath();
  for (let i = 0; i < points.length; i += 2) { to.moveTo(x(points[i]) + radius, y(points[i + 1])); to.arc(x(points[i]), y(points[i + 1]), radius, 0, 2 * Math.PI); }
  to.fill();
};
const arrow = (to, x, y, i) => {
  const [fx, fy, px, py] = [frame.fake[i], frame.fake[i + 1], frame.pull[i], frame.pull[i + 1]];
  const [ex, ey] = [x(fx + px), y(fy + py)], turn = Math.atan2(ey - y(fy), ex - x(fx)), head = Math.min(6 * devicePixelRatio, Math.hypot(ex - x(fx), ey - y(fy)) / 2);
  to.moveTo(x(fx), y(fy));
  to.lineTo(ex, ey);
  for (const bend of [-2.6, 2.6]) { to.moveTo(ex, ey); to.lineTo(ex + head * Math.cos(turn + bend), ey + head * Math.sin(turn + bend)); }
};
const small = document.createElement("canvas");
const drawSurface = (to, side) => {
  const belief = Uint8Array.from(atob(frame.surface), (c) => c.charCodeAt(0)), n = Math.sqrt(belief.length);
  small.width = small.height = n;
  const on = small.getContext("2d"), image = on.createImageData(n, n), [real, fake] = [rgb(".key .real i"), rgb(".key .fake i")];
  belief.forEach((b, k) => image.data.set([...(b > 127 ? real : fake), Math.abs(b - 127.5) * 1.1], 4 * k));
  on.putImageData(image, 0, 0);
  to.drawImage(small, 0, 0, side, side);
};
on("plane", (data) => {
  frame = JSON.parse(data);
  at("drawn").textContent = `step ${frame.step.toLocaleString("en")}`;
  canvas.setAttribute("aria-label", `The plane after step ${frame.step}: ${frame.fake.length / 2} generated points among real ones, and what the discriminator believes`);
  requestAnimationFrame(drawPlane);
});
if (canvas) { addEventListener("resize", drawPlane); toggle.addEventListener("click", drawPlane); systemDark.addEventListener("change", drawPlane); }

// The end, and what looks like one.
on("end", (data) => {
  events.close();
  state.ended = true;
  const { step, done, report } = JSON.parse(data);
  say(`${done ? "Done: it ended" : "It was stopped"} after step ${step}, all saved. Its report: ${report}`);
  buttons.forEach((button) => { button.disabled = true; });
});
events.onopen = () => complain("");
events.onerror = () => { if (!state.ended) complain("The run does not answer. It may have been killed, or this machine slept: trying again."); };

const form = document.querySelector(".explorer");
const at = (id) => document.getElementById(id);
const picture = at("picture"), seed = at("seed"), way = at("way"), trouble = at("trouble");
const sliders = all("#directions input");
const ends = { a: null, b: null };
let onWay = false; // whether the picture shows a place between the two that were kept

const place = () => ({ seed: String(seed.value), moves: sliders.map((s) => Number(s.value)).join(",") });
const chosen = () => form.querySelector("[name=label]:checked");
const label = () => chosen()?.nextElementSibling.textContent; // as it is shown, which need not be its name
const classOf = () => (chosen() ? { class: chosen().value } : {});
// What it is made of: an example of the run's, or in its place a picture and a text of the user's.
const example = at("example"), own = at("own"), text = at("text");
let isOwn = false;
const material = () => ({
  ...(example && { example: example.value }), ...(isOwn && { own: "1" }), ...(text?.value.trim() && { text: text.value.trim() }),
});
const turn = at("turn"); // of solids alone
const view = () => (turn ? { turn: turn.value } : {});
const query = () => {
  const { a, b } = ends;
  const fields = onWay ? { seed: a.seed, moves: a.moves, to_seed: b.seed, to_moves: b.moves, t: way.value } : place();
  return new URLSearchParams({ ...fields, ...classOf(), ...material(), ...view() });
};
const described = () => {
  const where = onWay ? `${Math.round(100 * way.value)}% of the way from A to B` : `seed ${seed.value}`;
  return `Generated sample: ${where}${label() === undefined ? "" : `, label ${label()}`}`;
};

// One request at a time: while one is under way the controls may move on, and then the last of their states is asked for.
let isBusy = false, isStale = false;
const show = async () => {
  if (isBusy) { isStale = true; return; }
  isBusy = true;
  do {
    isStale = false;
    await load(query(), described());
  } while (isStale);
  isBusy = false;
};
const load = async (wanted, alt) => {
  try {
    const answer = await fetch(`picture.png?${wanted}`);
    if (!answer.ok) return complain(await answer.text());
    const old = picture.src;
    picture.src = URL.createObjectURL(await answer.blob());
    await picture.decode();
    URL.revokeObjectURL(old);
    picture.alt = alt;
    at("keep-picture").href = `picture.png?${wanted}&large=1`;
    at("keep-latent").href = `latent.json?${wanted}`;
    const left = answer.headers.get("Ganzoo-Left-Out");
    if (left) complain(`Left out, as the data has no such words: ${decodeURIComponent(left)}`);
    else trouble.hidden = true;
  } catch {
    complain("The program behind this page has ended. Start `ganzoo explore` again.");
  }
};
const complain = (sentence) => { trouble.textContent = sentence; trouble.hidden = false; };

const leaveWay = () => { onWay = false; show(); };
const say = (slider) => { slider.nextElementSibling.textContent = Number(slider.value).toFixed(1).replace("-", "−").replace(/^(−?0)\.0$/, "0"); };
for (const slider of sliders) slider.addEventListener("input", () => { say(slider); leaveWay(); });
seed.addEventListener("input", () => { if (seed.value !== "" && seed.checkValidity()) leaveWay(); });
const sow = (value) => { seed.value = value; leaveWay(); };
at("next").addEventListener("click", () => sow(Number(seed.value) + 1));
at("random").addEventListener("click", () => sow(crypto.getRandomValues(new Uint32Array(1))[0]));
at("reset").addEventListener("click", () => { for (const s of sliders) { s.value = 0; say(s); } leaveWay(); });
for (const choice of all("[name=label]")) choice.addEventListener("change", show);

turn?.addEventListener("input", () => { turn.nextElementSibling.textContent = `${turn.value}°`; show(); });

example?.addEventListener("change", () => { isOwn = false; if (own) own.value = ""; if (text) text.value = ""; show(); });
text?.addEventListener("change", show);
own?.addEventListener("change", async () => {
  const [file] = own.files;
  if (!file) return;
  try {
    const answer = await fetch("picture", { method: "POST", body: file });
    if (!answer.ok) return complain(await answer.text());
  } catch {
    return complain("The picture could not be sent: it is too large, or the program behind this page has ended.");
  }
  isOwn = true;
  show();
});

for (const name of ["a", "b"]) {
  const button = at(`keep-${name}`);
  button.addEventListener("click", async () => {
    ends[name] = place();
    const [image, text] = button.children;
    image.src = `picture.png?${new URLSearchParams({ ...ends[name], ...classOf(), ...material(), ...view() })}`;
    image.hidden = false;
    text.textContent = `${name.toUpperCase()}: seed ${ends[name].seed}`;
    way.disabled = !(ends.a && ends.b);
  });
}
way.addEventListener("input", () => { onWay = true; way.setAttribute("aria-valuetext", `${Math.round(100 * way.value)}% from A to B`); show(); });
for (const link of all("a.button")) link.setAttribute("download", "");
form.addEventListener("submit", (event) => event.preventDefault());
show();

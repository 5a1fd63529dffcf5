// The grid of samples and one sample in full.
const badge = (letter) => make("span", { class: "badge " + (letter === "." ? "none" : letter) }, WORDS[letter] || letter);
const short = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);
const line = (term, ...value) => make("span", { class: "line" }, make("b", {}, term + " "), ...value);

const responseLine = (row, v, s, i, title) => {
  const cell = row.v[String(v)];
  const verdict = cell && cell.s && cell.s[String(s)];
  const said = !cell ? "not run" : cell.e ? "failed: " + cell.e : cell.x.trim() === "" ? "(empty)" : cell.x.trim();
  const out = line(title, badge(outcomeOf(v, s, i)), " ", make("q", {}, short(said, 160)));
  if (verdict && verdict[1] !== null && verdict[1] !== said) out.append(make("span", { class: "soft" }, " read as " + short(verdict[1] || "(empty)", 40)));
  return out;
};

const readOf = (row, v, s) => {
  const cell = row.v[String(v)];
  const verdict = cell && cell.s && cell.s[String(s)];
  return !cell ? null : verdict && verdict[1] !== null ? verdict[1] : cell.x.trim();
};

const card = (i) => {
  const row = rowOf(i);
  const [[a, s], [b, t]] = sides();
  const name = nameOf(i);
  const link = make("a", { href: hash({ sample: name }), class: "card-link" });
  const digests = (row.v[String(a)] || {}).i || (Object.values(row.v).find((cell) => cell.i) || {}).i;
  const image = digests ? imageOf(digests[0], "") : null;
  link.append(image ? make("span", { class: "thumb" }, image) : make("span", { class: "thumb empty" }, digests ? "image not in this report" : "no image"));
  link.append(make("span", { class: "head" }, benchmarkOf(i).title + " · " + columns.ids[i]), make("span", { class: "question" }, row.q || row.p[0] || "(no question text)"));
  link.append(line("Gold", row.a.length ? short(row.a.join(" | "), 80) : "withheld"), responseLine(row, a, s, i, b < 0 ? "Response" : "First"));
  if (b >= 0) {
    const second = responseLine(row, b, t, i, "Second");
    if (readOf(row, a, s) !== readOf(row, b, t) || outcomeOf(a, s, i) !== outcomeOf(b, t, i)) second.classList.add("changed");
    link.append(second);
  }
  if (name === state.sample) link.setAttribute("aria-current", "true");
  return make("li", { class: "card" + (matching.has(i) ? "" : " other") }, link);
};

const groupTitle = (g) => {
  const [[a, s]] = sides();
  const members = membersOf.get(g);
  const right = members.filter((i) => outcomeOf(a, s, i) === "r").length;
  return (members.length === 2 ? "Pair" : "Group of " + members.length) + ": " + right + " of " + members.length + " right";
};

let matching = new Set();
const drawList = () => {
  const start = pages[state.page] || 0;
  const shown = listed.slice(start, pages[state.page + 1] ?? start + PAGE);
  matching = new Set(state.groups === "together" && columns.groups.length ? found.filter((i) => groupOf(i) < 0 || shown.includes(i)) : shown);
  const items = [];
  for (let k = 0; k < shown.length; ) {
    const g = state.groups === "together" ? groupOf(shown[k]) : -1;
    if (g < 0) { items.push(card(shown[k++])); continue; }
    const members = [];
    while (k < shown.length && groupOf(shown[k]) === g) members.push(card(shown[k++]));
    const title = groupTitle(g);
    items.push(make("li", { class: "group" + (members.length === 2 ? " pair" : "") }, make("p", { class: "soft" }, title), make("ol", { "aria-label": title }, ...members)));
  }
  byId("list").replaceChildren(...items);
  byId("count").textContent = found.length + " of " + total + " samples" + (found.length ? "" : ": no sample matches these filters") + (listed.length > found.length ? ", shown with the others of their pairs and groups" : "");
  byId("page").textContent = "page " + (state.page + 1) + " of " + pages.length;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page >= pages.length - 1;
};

// -- one sample: the images on the left, a column a model on the right
const block = (title, text) => [make("h4", {}, title), make("pre", { tabindex: "0", role: "group", "aria-label": title }, text === "" ? "(empty)" : text)];

const shownImages = (digests, v) => digests.map((digest, k) => {
  const alt = "Image " + (k + 1) + " shown to the model";
  const summary = conditionOf(v).summary;
  return imageOf(digest, alt) || make("p", { class: "note" }, alt + ": not in this report (" + digest.slice(0, 12) + ")." + (summary ? " The condition shows " + summary + "." : ""));
});

// The columns: what is chosen, what it is compared with, and every other model under the same condition.
const columnsOf = () => {
  const [[a], [b]] = sides();
  const others = index.views.map((_, v) => v).filter((v) => index.views[v].condition === state.condition);
  return [...new Set([a, b, ...others])].filter((v) => v >= 0);
};

const side = (row, v, i, first) => {
  const [[, s]] = sides();
  const box = make("section", { class: "side", "aria-label": viewName(v) }, make("h3", {}, viewName(v), " ", badge(outcomeOf(v, s, i))));
  box.style.borderTopColor = conditionOf(v).color;
  const cell = row.v[String(v)];
  if (!cell) {
    box.append(make("p", { class: "note" }, "This sample was not run here."));
    return box;
  }
  if (v !== first && readOf(row, v, s) !== readOf(row, first, s)) {
    box.classList.add("changed");
    box.querySelector("h3").append(" ", make("span", { class: "mark" }, "response changed"));
  }
  const seen = ((row.v[String(first)] || {}).i || []).join();
  if (!cell.i) box.append(make("p", { class: "note" }, "No image was shown to the model."));
  else if (v !== first && cell.i.join() !== seen) box.append(...shownImages(cell.i, v));
  if (cell.a) box.append(make("p", { class: "note" }, "Answer under this condition: " + cell.a.join(" | ")));
  box.append(...block("Response", cell.x));
  const list = make("dl", {});
  const entry = (term, value) => list.append(make("dt", {}, term), make("dd", {}, value));
  for (const [k, verdict] of Object.entries(cell.s || {})) {
    const letter = verdict[3];
    entry(index.scorers[k], WORDS[letter] + ("rpwu".includes(letter) ? " (" + verdict[0] + ")" : ""));
    entry("read", verdict[1] === null ? "nothing" : verdict[1] === "" ? "(empty)" : verdict[1]);
    entry("rule", verdict[2]);
  }
  if (cell.e) entry("error", cell.e);
  entry("finish reason", cell.f);
  if (cell.n !== undefined) entry("tokens", String(cell.n));
  if (cell.k !== undefined) entry("thought tokens", String(cell.k));
  if (cell.r) entry("repeat", `1 of ${cell.r}; scores are means over all`);
  if (cell.t !== undefined) entry("seconds", String(cell.t));
  box.append(make("h4", {}, "Verdicts"), list);
  if (cell.h) box.append(...block("Thoughts", cell.h));
  box.append(...block("Prompt", row.p[cell.p]));
  return box;
};

const drawSample = (focus) => {
  const article = byId("sample");
  const i = numberOf.get(state.sample);
  const open = state.sample !== "" && i !== undefined;
  article.hidden = !open;
  if (state.sample !== "" && i === undefined) byId("count").textContent = "There is no sample " + state.sample + " in this report.";
  if (!open) return;
  const row = rowOf(i);
  const shown = columnsOf();
  const [[first, s]] = sides();
  const close = make("button", { type: "button" }, "Close");
  close.addEventListener("click", () => go({ sample: "" }));
  const bar = make("div", { class: "bar" }, make("h3", {}, benchmarkOf(i).title + " · " + columns.ids[i]), make("a", { href: hash({ sample: state.sample }) }, "Link to this sample"), close);
  const left = make("div", { class: "left" });
  const digests = (row.v[String(first)] || {}).i;
  if (digests) left.append(...shownImages(digests, first));
  left.append(...block("Question", row.q));
  if (row.c) left.append(make("h4", {}, "Options"), make("dl", {}, ...row.c.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)])));
  left.append(make("h4", {}, "Gold answer"), make("p", {}, row.a.length ? row.a.join(" | ") : "withheld"));
  if (row.t) left.append(make("p", { class: "note" }, row.t.map(([k, v]) => k + ": " + v).join(" · ")));
  const g = groupOf(i);
  if (g >= 0) {
    const links = membersOf.get(g).map((m) => {
      const link = make("a", { href: hash({ sample: nameOf(m) }) }, columns.ids[m]);
      if (m === i) link.setAttribute("aria-current", "true");
      return make("li", {}, link, " ", badge(outcomeOf(first, s, m)));
    });
    left.append(make("h4", {}, groupTitle(g)), make("ul", { class: "members" }, ...links));
  }
  article.replaceChildren(bar, make("div", { class: "columns" }, left, make("div", { class: "sides" }, ...shown.map((v) => side(row, v, i, first)))));
  article.setAttribute("aria-label", "Sample " + state.sample);
  if (focus) { article.focus({ preventScroll: true }); article.scrollIntoView({ block: "start" }); }
};

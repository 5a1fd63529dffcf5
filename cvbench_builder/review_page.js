"use strict";
const DATA = /*DATA*/null;
const STORE = "cvbench-review-" + DATA.build;
const byId = (id) => document.getElementById(id);
const make = (name, cls, text) => {
  const node = document.createElement(name);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};
const button = (text, act) => {
  const node = make("button", "", text);
  node.type = "button";
  node.addEventListener("click", (event) => { event.stopPropagation(); node.blur(); act(); });
  return node;
};
const load = () => { try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch { return {}; } };
const saved = load();
const known = new Map(DATA.rows.map((row, i) => [row.key, i]));
// what was decided or answered about an earlier state of the row does not count
const current_state = (entry) => entry && known.has(entry.key) && DATA.rows[known.get(entry.key)].hash === entry.content_hash;
const decisions = {}, notes = {}, answers = {};
for (const row of DATA.rows) {
  const old = (saved.verdicts || {})[row.key];
  if (current_state(old)) decisions[row.key] = { ...old, note: undefined };
  const note = (saved.notes || {})[row.key] || (old && old.note);
  if (note) notes[row.key] = note;
  const answer = (saved.answers || {})[row.key];
  if (current_state(answer)) answers[row.key] = answer;
}
let history = (saved.history || []).filter((step) => known.has(step.key) && (!step.before || current_state(step.before)));
let other = null, boxes = 0, current = 0, visible = [], asking = null;

function save() {
  const state = { verdicts: decisions, notes, answers, history, reviewer: byId("reviewer").value,
    blind: byId("blind").checked, colors: byId("colors").value };
  try { localStorage.setItem(STORE, JSON.stringify(state)); }
  catch { byId("counts").textContent = "This browser cannot save progress: export before you close the page."; }
}

const rowHere = () => DATA.rows[visible[current]];
const isHidden = (row) => byId("blind").checked && !answers[row.key] && !decisions[row.key];
const keyText = (row) => row.answer === null ? row.number : row.choices[row.answer];

// ---- cards
// what is shown of the boxes: those that the question names, drawn into the image; all recorded ones; none
const DRAWN = 0, RECORDED = 1, NONE = 2;
const BOX_NAMES = ["Boxes: as asked", "Boxes: all recorded", "Boxes: none"];
// builds of earlier versions have no images without boxes
const isDrawnOn = (row) => row.boxes.some((b) => b.colour);
const BOX_MODES = DATA.rows.some((r) => r.clean) || !DATA.rows.some(isDrawnOn) ? 3 : 2;

function imagePath(row) {
  const path = boxes === NONE && row.clean ? row.clean : row.image;
  return path.split("/").map(encodeURIComponent).join("/");
}

function fill(card, row) {
  const options = make("ol");
  row.choices.forEach((choice) => options.append(make("li", "", choice)));
  const margins = row.margins.map((m) => `${m.name} ${Number(m.value).toPrecision(3)}`).join(" · ");
  const key = make("div", "key");
  card.append(make("div", "question", row.question), options, key,
    make("div", "tags", [margins, row.flags.join(", ")].filter(Boolean).join(" — ")), make("div", "decision"),
    make("div", "note"), make("div", "buttons"));
}

const cards = DATA.rows.map((row, i) => {
  const card = make("article");
  const head = make("div", "head"), file = make("span", "", row.file.split("/").pop());
  file.title = row.file;
  head.append(make("span", "", `${row.idx} · ${row.task} · ${row.source}`), file);
  const image = make("div", "image"), img = make("img");
  img.loading = "lazy"; img.decoding = "async"; img.alt = row.question;
  img.src = imagePath(row);
  img.addEventListener("load", () => overlay(image, img, row));
  image.addEventListener("click", () => { focus(visible.indexOf(i)); openFull(); });
  image.append(img);
  card.append(head, image);
  fill(card, row);
  card.addEventListener("click", () => focus(visible.indexOf(i)));
  return card;
});
byId("rows").append(...cards);

function overlay(holder, img, row) {
  const old = holder.querySelector("svg");
  if (old) old.remove();
  holder.classList.toggle("fixed", boxes === NONE && !row.clean && isDrawnOn(row));
  // the boxes of counted objects would give a count away before it is judged
  const recorded = isHidden(row) ? row.boxes.filter((b) => b.colour) : row.boxes;
  if (boxes !== RECORDED || !recorded.length || !img.naturalWidth) return;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "boxes");
  svg.setAttribute("viewBox", `0 0 ${img.naturalWidth} ${img.naturalHeight}`);
  svg.setAttribute("width", img.clientWidth); svg.setAttribute("height", img.clientHeight);
  svg.style.left = img.offsetLeft + "px"; svg.style.top = img.offsetTop + "px";
  for (const box of recorded) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const [x1, y1, x2, y2] = box.xyxy;
    for (const [k, v] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "none",
      stroke: "#ff00ff", "stroke-width": Math.max(1, img.naturalWidth / 300) })) rect.setAttribute(k, v);
    svg.append(rect);
  }
  holder.append(svg);
}

function paintInto(card, row) {
  const v = decisions[row.key], hidden = isHidden(row), mine = answers[row.key];
  card.classList.remove("accepted", "modified", "rejected");
  if (v) card.classList.add(v.status);
  card.querySelectorAll("li").forEach((li, k) => {
    li.className = k === row.answer && !hidden ? "answer" : "";
    if (v && v.status === "modified" && v.answer === row.choices[k]) li.className = "new";
    if (mine && mine.answer === row.choices[k]) li.classList.add("mine");
  });
  card.querySelector(".key").textContent = row.answer === null && !hidden ? "Answer: " + row.number : "";
  card.querySelector(".tags").hidden = hidden;
  let text = "";
  if (v) text = v.status + (v.reason ? ": " + v.reason : "") + (v.status === "modified" ? ": " + v.answer : "");
  else if (mine) text = `your answer ${mine.answer}, the key says ${keyText(row)}`;
  card.querySelector(".decision").textContent = text;
  card.querySelector(".note").textContent = notes[row.key] ? "Note: " + notes[row.key] : "";
  const at = () => focus(visible.indexOf(known.get(row.key)));
  const buttons = hidden
    ? [...row.choices.map((choice) => button(choice, () => { at(); answer(choice); })),
      ...(row.answer === null ? [button("Enter a number", () => { at(); askNumber(); })] : [])]
    : [button("Accept", () => { at(); decide("accepted", {}); }), button("Correct", () => { at(); modify(); })];
  card.querySelector(".buttons").replaceChildren(...buttons, button("Reject", () => { at(); reject(); }),
    button("Note", () => { at(); note(); }));
}

function paint(i) {
  paintInto(cards[i], DATA.rows[i]);
  if (!byId("full").hidden && visible[current] === i) paintInto(byId("panel"), DATA.rows[i]);
}

function tally() {
  const n = { accepted: 0, modified: 0, rejected: 0 };
  for (const v of Object.values(decisions)) n[v.status]++;
  const done = n.accepted + n.modified + n.rejected;
  const asked = Object.values(answers), agree = asked.filter((v) => v.answer === keyText(DATA.rows[known.get(v.key)])).length;
  byId("counts").textContent = `${done} of ${DATA.rows.length} reviewed: ${n.accepted} accepted, ${n.modified} modified, `
    + `${n.rejected} rejected · ${visible.length} shown`
    + (asked.length ? ` · blind: ${agree} of ${asked.length} answers equal the key` : "");
}

function filter() {
  const task = byId("task").value, flag = byId("flag").value, state = byId("state").value;
  const kept = visible[current];
  visible = [];
  DATA.rows.forEach((row, i) => {
    const status = decisions[row.key] ? decisions[row.key].status : "unreviewed";
    const matches = state === "disagreement" ? disagrees(row.key) : !state || status === state;
    const show = (!task || row.task === task) && (!flag || row.flags.includes(flag)) && matches;
    cards[i].hidden = !show;
    cards[i].style.display = show ? "" : "none";
    if (show) visible.push(i);
  });
  focus(Math.max(0, visible.indexOf(kept)));
  tally();
}

function focus(place) {
  document.querySelectorAll("article.current").forEach((c) => c.classList.remove("current"));
  if (!visible.length) { closeFull(); return; }
  current = Math.min(Math.max(place, 0), visible.length - 1);
  const card = cards[visible[current]];
  card.classList.add("current");
  card.scrollIntoView({ block: "nearest" });
  if (!byId("full").hidden) showFull();
}

// ---- decisions
function put(row, decision) {
  history.push({ key: row.key, before: decisions[row.key] || null });
  if (decision) decisions[row.key] = decision; else delete decisions[row.key];
}

function decide(status, more) {
  const row = rowHere();
  put(row, { key: row.key, content_hash: row.hash, status, answer: null, reason: null, ...more });
  paint(visible[current]); save(); tally(); focus(current + 1);
}

function answer(text) {
  const row = rowHere(), place = visible[current];
  answers[row.key] = { key: row.key, content_hash: row.hash, answer: text };
  paint(place); save(); tally();
  if (!byId("full").hidden) showFull();
}

function undo() {
  const step = history.pop();
  if (!step) return;
  const i = known.get(step.key);
  if (step.before) decisions[step.key] = step.before; else delete decisions[step.key];
  paint(i); save(); filter();
  if (visible.includes(i)) focus(visible.indexOf(i));
}

function close() { asking = null; byId("ask").className = ""; byId("ask").replaceChildren(); }

function ask(title, entries, take, free) {
  const box = byId("ask"), list = make("div", "entries");
  const choose = (entry) => {
    if (entry.value === null) { box.querySelector("input").focus(); return; }
    close(); take(entry.value);
  };
  entries.forEach((e) => { const b = button("", () => choose(e)); b.append(make("kbd", "", e.key), " " + e.text); list.append(b); });
  box.replaceChildren(make("strong", "", title), list);
  asking = { entries, choose };
  if (free) {
    const input = make("input");
    const enter = () => { const v = input.value.trim(); close(); free.take(v); };
    input.placeholder = free.hint; input.value = free.value || "";
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") { event.preventDefault(); enter(); }
      else if (event.key === "Escape") close();
    });
    box.append(input, button("OK", enter));
  }
  box.append(button("Cancel", close));
  box.className = "open";
  // at once: what is typed next belongs to the note
  if (free && free.focus) box.querySelector("input").focus();
}

function reject() {
  const entries = DATA.reasons.map((text, i) => ({ key: String((i + 1) % 10), text, value: text }));
  ask("Reason for rejecting", entries, (reason) => decide("rejected", { reason }));
}

const isNumber = (row, text) => (row.answer === null ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text);

function askNumber() {
  const row = rowHere();
  ask("Your answer", [], () => {}, { hint: "a number, press Enter", focus: true,
    take: (v) => { if (isNumber(row, v)) answer(v); } });
}

function modify() {
  const row = rowHere();
  const entries = row.choices.map((text, i) => ({ key: String.fromCharCode(97 + i), text, value: text }))
    .filter((e, i) => i !== row.answer);
  const free = row.free === "number" ? { hint: "press #, enter a number, press Enter", focus: !row.choices.length,
    take: (v) => { if (isNumber(row, v)) decide("modified", { answer: String(Number(v)) }); } } : null;
  if (free) entries.push({ key: "#", text: "another number", value: null });
  ask("Correct answer", entries, (text) => decide("modified", { answer: text }), free);
}

function note() {
  const row = rowHere(), place = visible[current];
  ask("Note", [], () => {}, { hint: "enter a note, press Enter", value: notes[row.key], focus: true, take: (text) => {
    if (text) notes[row.key] = text; else delete notes[row.key];
    paint(place); save();
  } });
}

function nextUnreviewed() {
  const open = (i) => !decisions[DATA.rows[i].key];
  const next = visible.findIndex((i, place) => place > current && open(i));
  const first = visible.findIndex(open);
  focus(next >= 0 ? next : first >= 0 ? first : current);
}

// ---- export, and a second reviewer
function lineOf(row) {
  const { key, content_hash, status, answer: text, reason } = decisions[row.key];
  const blind = answers[row.key] ? answers[row.key].answer : null;
  const reviewer = byId("reviewer").value.trim() || "anonymous";
  return JSON.stringify({ key, content_hash, status, answer: text, reason, note: notes[row.key] || null,
    blind_answer: blind, reviewer });
}

function reviewText() {
  return DATA.rows.filter((r) => decisions[r.key]).map(lineOf).join("\n") + "\n";
}

function exportReview() {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([reviewText()], { type: "application/jsonl" }));
  link.download = "review.jsonl";
  document.body.append(link); link.click(); link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const verdictOf = (v) => v.status === "modified" ? "modified " + v.answer : v.status;
const disagrees = (key) => Boolean(other && other[key] && decisions[key] && verdictOf(other[key]) !== verdictOf(decisions[key]));

function compare(text) {
  other = {};
  let lost = 0;
  for (const line of text.split("\n").filter((l) => l.trim())) {
    let entry = null;
    try { entry = JSON.parse(line); } catch { /* counted below */ }
    if (current_state(entry)) other[entry.key] = entry; else lost++;
  }
  const common = Object.keys(other).filter((key) => decisions[key]), n = common.length;
  let message = "no row that both have reviewed";
  if (n) {
    const same = common.filter((k) => decisions[k].status === other[k].status).length / n;
    const share = (of, s) => common.filter((k) => of[k].status === s).length / n;
    const chance = ["accepted", "modified", "rejected"].reduce((sum, s) => sum + share(decisions, s) * share(other, s), 0);
    const kappa = chance < 1 ? ((same - chance) / (1 - chance)).toFixed(3) : "-";
    message = `${n} common rows, agreement ${(100 * same).toFixed(1)} %, kappa ${kappa}, `
      + `${common.filter(disagrees).length} disagreements`;
  }
  byId("agreement").textContent = message + (lost ? ` (${lost} lines of another build)` : "");
  filter();
}

// ---- keys and controls
function switchBoxes() {
  boxes = (boxes + 1) % BOX_MODES;
  nameBoxes();
  cards.forEach((card, i) => {
    const img = card.querySelector("img"), row = DATA.rows[i];
    if (row.clean) img.src = imagePath(row);
    overlay(card.querySelector(".image"), img, row);
  });
  if (!byId("full").hidden) showFull();
}

function nameBoxes() {
  for (const b of [byId("boxes"), document.querySelector("#bar button[data-act=boxes]")]) b.textContent = BOX_NAMES[boxes];
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape" || event.key === "Enter") event.target.blur();
    return;
  }
  if (asking) {
    if (event.key === "Escape") { close(); return; }
    const hit = asking.entries.find((e) => e.key === event.key.toLowerCase());
    if (!hit) return;
    event.preventDefault();
    asking.choose(hit);
    return;
  }
  const row = visible.length ? rowHere() : null;
  const option = row && isHidden(row) ? event.key.toLowerCase().charCodeAt(0) - 97 : -1;
  if (event.key.length === 1 && row && option >= 0 && option < row.choices.length) {
    event.preventDefault();
    answer(row.choices[option]);
    return;
  }
  if (row && isHidden(row) && (event.key === "a" || event.key === "m")) {
    event.preventDefault();
    if (row.answer === null) askNumber();
    return;
  }
  const isFull = !byId("full").hidden;
  const act = { j: () => focus(current + 1), ArrowRight: () => focus(current + 1), k: () => focus(current - 1),
    ArrowLeft: () => focus(current - 1), a: () => decide("accepted", {}), m: modify, r: reject, u: undo, n: note,
    o: nextUnreviewed, e: exportReview, Home: () => focus(0), End: () => focus(visible.length - 1), b: switchBoxes,
    f: () => (isFull ? closeFull() : openFull()), Escape: closeFull, "+": () => isFull && zoom(1.5),
    "-": () => isFull && zoom(1 / 1.5), 0: () => isFull && fit() }[event.key];
  if (act && (visible.length || event.key === "e" || event.key === "u")) { event.preventDefault(); act(); }
});

function choices(id, values) {
  const select = byId(id);
  select.append(new Option("all", ""), ...values.map((v) => new Option(v, v)));
  select.addEventListener("change", () => { filter(); select.blur(); });
}

function repaint() { DATA.rows.forEach((_, i) => paint(i)); }

function colors() {
  document.documentElement.classList.remove("light", "dark");
  if (byId("colors").value) document.documentElement.classList.add(byId("colors").value);
}

function start() {
  choices("task", [...new Set(DATA.rows.map((r) => r.task))]);
  choices("flag", [...new Set(DATA.rows.flatMap((r) => r.flags))].sort());
  byId("state").addEventListener("change", () => { filter(); byId("state").blur(); });
  byId("reviewer").value = saved.reviewer || "";
  byId("reviewer").addEventListener("input", save);
  byId("blind").checked = Boolean(saved.blind);
  byId("blind").addEventListener("change", () => {
    byId("blind").blur(); repaint(); save();
    if (!byId("full").hidden) showFull();
  });
  byId("colors").value = saved.colors || "";
  byId("colors").addEventListener("change", () => { colors(); save(); byId("colors").blur(); });
  byId("other").addEventListener("change", async (event) => { compare(await event.target.files[0].text()); });
  for (const [id, act] of Object.entries({ undo, next: nextUnreviewed, boxes: switchBoxes, export: exportReview }))
    byId(id).addEventListener("click", () => { byId(id).blur(); act(); });
  nameBoxes();
  colors();
  repaint();
  filter();
  // a reload returns to the first card that is still open
  if (Object.keys(decisions).length) {
    current = -1;
    nextUnreviewed();
    if (visible.length) cards[visible[Math.max(current, 0)]].scrollIntoView({ block: "center" });
  }
  window.reviewText = reviewText;
}

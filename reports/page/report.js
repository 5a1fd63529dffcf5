"use strict";
// Browsing samples. All text from models and datasets enters the page as text, never as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const parsed = new Map();
  const read = (id) => {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(byId(id).textContent));
    return parsed.get(id);
  };
  const index = read("index");
  const total = index.ids.length;
  const PAGE = 50;
  const WORDS = { r: "right", p: "partly right", w: "wrong", u: "unparsed", f: "failed", n: "undecided", h: "answer withheld", ".": "not run" };
  const state = { model: "", condition: "", scorer: "0", category: "", benchmark: "", outcome: "", compare: "", q: "", sample: "", page: 0 };
  const KEYS = ["model", "condition", "scorer", "category", "benchmark", "outcome", "compare", "q", "sample", "page"];
  let found = [];

  const question = (i) => read("block-" + Math.floor(i / index.block))[i % index.block];
  const name = (i) => index.benchmarks[index.of[i]].name + "/" + index.ids[i];
  const numberOf = new Map();
  for (let i = 0; i < total; i++) numberOf.set(name(i), i);
  const viewOf = (model, condition) => index.views.findIndex((v) => v.model === model && v.condition === condition);
  const conditionOf = (v) => index.conditions[index.views[v].condition];
  const viewName = (v) => index.views[v].model + ", " + conditionOf(v).title;
  const outcome = (v, i) => (v < 0 ? "." : (index.values[v + ":" + state.scorer] || "")[i] || ".");

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    for (const child of children) node.append(child);
    return node;
  };
  const options = (select, pairs) => {
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
  };

  // -- search: the text of a sample is built at the first search
  const texts = [];
  const textOf = (i) => {
    if (texts[i] === undefined) {
      const row = question(i);
      const parts = [name(i), row.q, ...row.p, ...row.a, ...(row.c || []).map((c) => c[1])];
      for (const cell of Object.values(row.v)) {
        parts.push(cell.x, cell.e || "");
        for (const verdict of Object.values(cell.s || {})) parts.push(verdict[1] || "");
      }
      texts[i] = parts.join("\n").toLowerCase();
    }
    return texts[i];
  };

  const OUTCOMES = [["", "all"], ["right", "right"], ["wrong", "not right"], ["partly", "partly right"], ["unparsed", "unparsed"], ["failed", "failed"], ["undecided", "undecided"], ["differ", "scorers disagree"]];
  const PAIRED = [["changed", "the two differ"], ["only-a", "only the first is right"], ["only-b", "only the second is right"]];
  const matches = (i, a, b) => {
    const o = outcome(a, i);
    if (o === "." && !(b >= 0 && outcome(b, i) !== ".")) return false;
    const benchmark = index.benchmarks[index.of[i]];
    if (state.category && benchmark.category !== state.category) return false;
    if (state.benchmark && benchmark.name !== state.benchmark) return false;
    switch (state.outcome) {
      case "right": if (o !== "r") return false; break;
      case "wrong": if (!"wpufn".includes(o)) return false; break;
      case "partly": if (o !== "p") return false; break;
      case "unparsed": if (o !== "u") return false; break;
      case "failed": if (o !== "f") return false; break;
      case "undecided": if (o !== "n") return false; break;
      case "differ": if (index.differ[a][i] !== "1") return false; break;
      case "changed": if ((o === "r") === (outcome(b, i) === "r")) return false; break;
      case "only-a": if (o !== "r" || outcome(b, i) === "r") return false; break;
      case "only-b": if (o === "r" || outcome(b, i) !== "r") return false; break;
    }
    return !state.q || textOf(i).includes(state.q.toLowerCase());
  };

  const views = () => [viewOf(state.model, state.condition), state.compare === "" ? -1 : Number(state.compare)];

  const filter = () => {
    const [a, b] = views();
    found = [];
    for (let i = 0; i < total; i++) if (matches(i, a, b)) found.push(i);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
  };

  const badge = (letter) => make("span", { class: "badge " + letter }, WORDS[letter] || letter);

  const drawList = () => {
    const [a, b] = views();
    const start = state.page * PAGE;
    const shown = found.slice(start, start + PAGE);
    byId("list").replaceChildren(...shown.map((i) => {
      const row = question(i);
      const head = make("span", { class: "head" }, make("span", {}, index.benchmarks[index.of[i]].title + " · " + index.ids[i]), badge(outcome(a, i)));
      if (b >= 0) head.append("against ", badge(outcome(b, i)));
      const link = make("a", { href: hash({ sample: name(i) }) }, head, make("span", { class: "question" }, row.q || row.p[0] || "(no question text)"));
      if (name(i) === state.sample) link.setAttribute("aria-current", "true");
      return make("li", {}, link);
    }));
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    byId("count").textContent = found.length + " of " + total + " samples" + (found.length ? "" : ": no sample matches these filters");
    byId("page").textContent = "page " + (state.page + 1) + " of " + pages;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= pages - 1;
  };

  // -- one sample
  const block = (title, text) => [make("h4", {}, title), make("pre", { tabindex: "0", "aria-label": title }, text === "" ? "(empty)" : text)];

  const shown = (digest, text, condition) => {
    const where = index.images;
    if (where.embedded && digest in where.embedded) {
      return make("img", { alt: text, loading: "lazy", src: "data:image/jpeg;base64," + read("images-" + where.embedded[digest])[digest] });
    }
    if (where.files && known.has(digest)) return make("img", { alt: text, loading: "lazy", src: where.files + "/" + digest + ".jpg" });
    return make("p", { class: "note" }, text + ": not in this report (" + digest.slice(0, 12) + ")." + (condition.summary ? " The condition shows " + condition.summary + "." : ""));
  };
  const known = new Set(index.images.known || []);

  const side = (row, v) => {
    const box = make("section", { class: "side", "aria-label": viewName(v) }, make("h3", {}, viewName(v)));
    box.style.borderTopColor = conditionOf(v).color;
    const cell = row.v[String(v)];
    if (!cell) {
      box.append(make("p", { class: "note" }, "This sample was not run here."));
      return box;
    }
    if (cell.i) cell.i.forEach((digest, k) => box.append(shown(digest, "Image " + (k + 1) + " shown to the model", conditionOf(v))));
    else box.append(make("p", { class: "note" }, "No image was shown to the model."));
    if (cell.a) box.append(make("p", { class: "note" }, "Answer under this condition: " + cell.a.join(" | ")));
    box.append(...block("Prompt", row.p[cell.p]), ...block("Response", cell.x));
    if (cell.h) box.append(...block("Thoughts", cell.h));
    const list = make("dl", {});
    const line = (term, value) => list.append(make("dt", {}, term), make("dd", {}, value));
    for (const [s, verdict] of Object.entries(cell.s || {})) {
      const letter = verdict[3];
      line(index.scorers[s], WORDS[letter] + ("rpwu".includes(letter) ? " (" + verdict[0] + ")" : ""));
      line("extracted", verdict[1] === null ? "nothing" : verdict[1] === "" ? "(empty)" : verdict[1]);
      line("rule", verdict[2]);
    }
    if (cell.e) line("error", cell.e);
    line("finish reason", cell.f);
    if (cell.n !== undefined) line("tokens", String(cell.n));
    if (cell.k !== undefined) line("thought tokens", String(cell.k));
    if (cell.r) line("repeat", `1 of ${cell.r}; scores are means over all`);
    if (cell.t !== undefined) line("seconds", String(cell.t));
    box.append(make("h4", {}, "Verdicts"), list);
    return box;
  };

  const drawSample = (focus) => {
    const article = byId("sample");
    const i = numberOf.get(state.sample);
    const open = state.sample !== "" && i !== undefined;
    article.hidden = !open;
    byId("panes").classList.toggle("open", open);
    if (state.sample !== "" && i === undefined) byId("count").textContent = "There is no sample " + state.sample + " in this report.";
    if (!open) return;
    const row = question(i);
    const [a, b] = views();
    const close = make("button", { type: "button" }, "Close");
    close.addEventListener("click", () => go({ sample: "" }));
    const bar = make("div", { class: "bar" }, make("h3", {}, index.benchmarks[index.of[i]].title + " · " + index.ids[i]), make("a", { href: hash({ sample: state.sample }) }, "Link to this sample"), close);
    const parts = [bar, ...block("Question", row.q)];
    if (row.c) parts.push(make("h4", {}, "Options"), make("dl", {}, ...row.c.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)])));
    parts.push(make("h4", {}, "Answer"), make("p", {}, row.a.length ? row.a.join(" | ") : "withheld"));
    if (row.t) parts.push(make("p", { class: "note" }, Object.entries(row.t).map(([k, v]) => k + ": " + [].concat(v).join(", ")).join(" · ")));
    const sides = make("div", { class: "sides" });
    for (const v of b >= 0 && b !== a ? [a, b] : [a]) if (v >= 0) sides.append(side(row, v));
    article.replaceChildren(...parts, sides);
    article.setAttribute("aria-label", "Sample " + state.sample);
    if (focus) article.focus();
  };

  // -- the address contains the whole state, so that every view has a link
  const hash = (changes) => {
    const next = { ...state, ...changes };
    const words = new URLSearchParams();
    for (const key of KEYS) if (String(next[key]) !== String(defaults[key])) words.set(key, next[key]);
    return "#?" + words.toString();
  };
  const go = (changes) => {
    const next = hash(changes);
    if (location.hash === next || (location.hash === "" && next === "#?")) { Object.assign(state, changes); draw(false); } else location.hash = next;
  };
  const defaults = {};

  const fillSelects = () => {
    const models = [...new Set(index.views.map((v) => v.model))];
    options(byId("model"), models.map((m) => [m, m]));
    const conditions = index.views.filter((v) => v.model === state.model).map((v) => v.condition);
    if (!conditions.includes(state.condition)) state.condition = conditions[0];
    options(byId("condition"), conditions.map((c) => [c, index.conditions[c].title]));
    options(byId("scorer"), index.scorers.map((s, k) => [String(k), s]));
    const categories = [...new Set(index.benchmarks.map((b) => b.category))];
    options(byId("category"), [["", "all"], ...categories.map((c) => [c, c])]);
    const benchmarks = index.benchmarks.filter((b) => !state.category || b.category === state.category);
    if (state.benchmark && !benchmarks.some((b) => b.name === state.benchmark)) state.benchmark = "";
    options(byId("benchmark"), [["", "all"], ...benchmarks.map((b) => [b.name, b.title])]);
    options(byId("compare"), [["", "nothing"], ...index.views.map((v, k) => [String(k), viewName(k)])]);
    if (state.compare === "" && PAIRED.some((p) => p[0] === state.outcome)) state.outcome = "";
    options(byId("outcome"), state.compare === "" ? OUTCOMES : [...OUTCOMES, ...PAIRED]);
    for (const key of ["model", "condition", "scorer", "category", "benchmark", "outcome", "compare"]) byId(key).value = state[key];
    if (document.activeElement !== byId("search")) byId("search").value = state.q;
  };

  const draw = (focus) => { fillSelects(); filter(); drawList(); drawSample(focus); };

  const fromHash = () => {
    if (location.hash !== "" && !location.hash.startsWith("#?")) return; // a section of the page
    const words = new URLSearchParams(location.hash.slice(2));
    const before = state.sample;
    for (const key of KEYS) state[key] = words.has(key) ? words.get(key) : defaults[key];
    if (!index.views.some((v) => v.model === state.model)) state.model = defaults.model;
    if (!(state.scorer in index.scorers)) state.scorer = defaults.scorer;
    if (state.compare !== "" && !(state.compare in index.views)) state.compare = "";
    state.page = Number.parseInt(state.page, 10) || 0;
    draw(state.sample !== "" && state.sample !== before);
    if (state.sample !== "" && before === "" && !started) byId("browser").scrollIntoView();
  };
  let started = false;

  const step = (by) => {
    if (!found.length) return;
    const at = found.indexOf(numberOf.has(state.sample) ? numberOf.get(state.sample) : -1);
    const to = at < 0 ? state.page * PAGE : Math.min(found.length - 1, Math.max(0, at + by));
    go({ sample: name(found[to]), page: Math.floor(to / PAGE) });
  };

  for (const key of ["model", "condition", "scorer", "category", "benchmark", "outcome", "compare"]) {
    byId(key).addEventListener("change", () => go({ [key]: byId(key).value, page: 0 }));
  }
  let waiting = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => go({ q: byId("search").value.trim(), page: 0 }), 150);
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", () => { byId("search").value = ""; go({ ...defaults, sample: state.sample }); });
  byId("previous").addEventListener("click", () => go({ page: state.page - 1 }));
  byId("next").addEventListener("click", () => go({ page: state.page + 1 }));
  const help = () => {
    byId("keys-help").hidden = !byId("keys-help").hidden;
    byId("keys").setAttribute("aria-expanded", String(!byId("keys-help").hidden));
  };
  byId("keys").addEventListener("click", help);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName);
    if (event.key === "Escape") {
      if (typing) document.activeElement.blur();
      else if (state.sample !== "") {
        const last = state.sample;
        go({ sample: "" });
        requestAnimationFrame(() => { const i = found.indexOf(numberOf.get(last)) - state.page * PAGE; const link = byId("list").children[i]; if (link) link.firstElementChild.focus(); });
      }
      return;
    }
    if (typing) return;
    const actions = {
      j: () => step(1), k: () => step(-1), "/": () => byId("search").focus(), "?": help,
      n: () => { if (!byId("next").disabled) go({ page: state.page + 1 }); },
      p: () => { if (!byId("previous").disabled) go({ page: state.page - 1 }); },
      c: () => {
        const other = index.views.findIndex((v) => v.model === state.model && v.condition !== state.condition);
        go({ compare: state.compare === "" && other >= 0 ? String(other) : "" });
      },
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });

  // -- dark mode: as the system's setting until the reader chooses
  const button = byId("theme");
  const remember = (value) => { try { localStorage.setItem("cambrian-eval-theme", value); } catch { /* no storage: the choice is lost with the page */ } };
  const recall = () => { try { return localStorage.getItem("cambrian-eval-theme"); } catch { return null; } };
  const setTheme = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
  };
  const stored = recall();
  setTheme(stored ? stored === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  button.addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme !== "dark";
    setTheme(dark);
    remember(dark ? "dark" : "light");
  });

  Object.assign(defaults, state, { model: index.views.length ? index.views[0].model : "", condition: index.views.length ? index.views[0].condition : "" });
  Object.assign(state, defaults);
  addEventListener("hashchange", fromHash);
  if (location.hash.startsWith("#?")) fromHash();
  else draw(false);
  started = true;
  document.documentElement.dataset.ready = "true";
})();

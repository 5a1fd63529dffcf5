// The state of the browser of samples, which the address holds, and the samples that match it.
const PAGE = 48;
const state = { model: "", condition: "", scorer: "0", category: "", benchmark: "", outcome: "", rule: "", thoughts: "", compare: "", groups: "together", q: "", sample: "", page: 0 };
const KEYS = Object.keys(state);
const SELECTS = ["model", "condition", "scorer", "category", "benchmark", "outcome", "rule", "thoughts", "compare", "groups"];
const defaults = {};

const OUTCOMES = [["", "all"], ["right", "right"], ["wrong", "not right"], ["partly", "partly right"], ["unparsed", "unparsed"], ["failed", "failed"], ["undecided", "undecided"], ["differ", "scorers disagree"]];
const PAIRED = [["changed", "the two differ"], ["only-a", "only the first is right"], ["only-b", "only the second is right"]];

// What is compared: [view, scorer] of the first and of the second; a view of -1 is nothing.
const sides = () => {
  const first = [viewOf(state.model, state.condition), Number(state.scorer)];
  if (state.compare === "") return [first, [-1, first[1]]];
  return [first, state.compare.startsWith("s") ? [first[0], Number(state.compare.slice(1))] : [Number(state.compare), first[1]]];
};

const LETTER_OF = { partly: "p", unparsed: "u", failed: "f", undecided: "n" };
const outcomeMatches = (i, o, other, first) => {
  switch (state.outcome) {
    case "": return true;
    case "right": return o === "r";
    case "wrong": return "wpufn".includes(o);
    case "changed": return (o === "r") !== (other === "r");
    case "only-a": return o === "r" && other !== "r";
    case "only-b": return o !== "r" && other === "r";
    case "differ": return new Set(index.scorers.map((_, s) => outcomeOf(first, s, i)).filter((x) => x !== ".")).size > 1;
    default: return o === LETTER_OF[state.outcome];
  }
};

let found = []; // samples that match
let listed = []; // samples in the order shown: with those of their groups

const filter = async () => {
  const q = state.q.toLowerCase();
  if (q) await loadTexts();
  const [[a, s], [b, t]] = sides();
  const outcomes = a < 0 ? "" : columns.outcomes[a + ":" + s];
  const others = b < 0 ? "" : columns.outcomes[b + ":" + t];
  const rules = a < 0 ? "" : columns.rules[a + ":" + s];
  const thoughts = a < 0 ? "" : columns.thoughts[a];
  const rule = state.rule === "" ? "" : String.fromCharCode(0x100 + Number(state.rule));
  found = [];
  index.benchmarks.forEach((benchmark, k) => {
    if (state.category && benchmark.category !== state.category) return;
    if (state.benchmark && benchmark.name !== state.benchmark) return;
    for (let i = starts[k]; i < starts[k] + benchmark.n; i++) {
      const o = outcomes[i];
      if (o === "." && (b < 0 || others[i] === ".")) continue;
      if (!outcomeMatches(i, o, others[i], a)) continue;
      if (rule && rules[i] !== rule) continue;
      if (state.thoughts !== "" && (thoughts[i] || "0") !== state.thoughts) continue;
      if (q && !texts[i].includes(q)) continue;
      found.push(i);
    }
  });
  listed = found;
  if (state.groups === "together" && columns.groups.length) {
    const done = new Set();
    listed = found.flatMap((i) => {
      const g = groupOf(i);
      if (g < 0) return [i];
      if (done.has(g)) return [];
      done.add(g);
      return membersOf.get(g);
    });
  }
  pages = pagesOf(listed);
  state.page = Math.min(Math.max(0, state.page), pages.length - 1);
};

// Where each page starts in the list: a group is not divided, unless it is larger than a page.
let pages = [0];
const pagesOf = (list) => {
  const starting = [0];
  let at = 0;
  while (at + PAGE < list.length) {
    let next = at + PAGE;
    const g = state.groups === "together" ? groupOf(list[next]) : -1;
    if (g >= 0) while (next > at + 1 && groupOf(list[next - 1]) === g) next--;
    if (next <= at + 1) next = at + PAGE;
    starting.push(next);
    at = next;
  }
  return starting;
};
const pageOf = (place) => { let k = 0; while (k + 1 < pages.length && pages[k + 1] <= place) k++; return k; };

// -- the menus
const options = (select, pairs) => select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));

const rulesOf = (view, scorer) => {
  const counts = new Map();
  for (const c of columns.rules[view + ":" + scorer] || "") if (c !== ".") counts.set(c, (counts.get(c) || 0) + 1);
  return [...counts].sort((x, y) => y[1] - x[1]).map(([c, n]) => {
    const k = c.charCodeAt(0) - 0x100;
    return [String(k), columns.ruleNames[k] + " (" + n + ")"];
  });
};
const thoughtNames = () => {
  const bounds = index.thoughtBounds;
  const names = bounds.slice(1).map((bound, k) => [String(k + 1), (k ? bounds[k] + " to " : "fewer than ") + (k ? bound - 1 : bound) + " tokens"]);
  return [["", "all"], ["0", "none"], ...names, [String(bounds.length), bounds[bounds.length - 1] + " tokens or more"]];
};

let filled = ""; // the view and scorer that the rules were counted for
const fillMenus = () => {
  const models = [...new Set(index.views.map((v) => v.model))];
  options(byId("model"), models.map((m) => [m, m]));
  const conditions = index.views.filter((v) => v.model === state.model).map((v) => v.condition);
  if (!conditions.includes(state.condition)) state.condition = conditions[0];
  options(byId("condition"), conditions.map((c) => [c, index.conditions[c].title]));
  options(byId("scorer"), index.scorers.map((s, k) => [String(k), s]));
  options(byId("category"), [["", "all"], ...[...new Set(index.benchmarks.map((b) => b.category))].map((c) => [c, c])]);
  const benchmarks = index.benchmarks.filter((b) => !state.category || b.category === state.category);
  if (state.benchmark && !benchmarks.some((b) => b.name === state.benchmark)) state.benchmark = "";
  options(byId("benchmark"), [["", "all"], ...benchmarks.map((b) => [b.name, b.title])]);
  const other = index.scorers.map((s, k) => ["s" + k, "scorer " + s]).filter(([k]) => k !== "s" + state.scorer);
  options(byId("compare"), [["", "nothing"], ...index.views.map((v, k) => [String(k), viewName(k)]), ...other]);
  if (state.compare === "s" + state.scorer) state.compare = "";
  if (state.compare === "" && PAIRED.some((p) => p[0] === state.outcome)) state.outcome = "";
  options(byId("outcome"), state.compare === "" ? OUTCOMES : [...OUTCOMES, ...PAIRED]);
  const view = viewOf(state.model, state.condition);
  if (filled !== view + ":" + state.scorer) {
    filled = view + ":" + state.scorer;
    options(byId("rule"), [["", "all"], ...rulesOf(view, state.scorer)]);
  }
  if (![...byId("rule").options].some((o) => o.value === state.rule)) state.rule = "";
  options(byId("thoughts"), thoughtNames());
  byId("thoughts").parentElement.hidden = !columns.thoughts.some((t) => t);
  options(byId("groups"), [["together", "together"], ["apart", "one by one"]]);
  byId("groups").parentElement.hidden = !columns.groups.length;
  for (const key of SELECTS) byId(key).value = state[key];
  if (document.activeElement !== byId("search")) byId("search").value = state.q;
};

// -- the address contains the whole state, so that every view has a link
const hash = (changes) => {
  const next = { ...state, ...changes };
  const words = new URLSearchParams();
  for (const key of KEYS) if (String(next[key]) !== String(defaults[key])) words.set(key, next[key]);
  return "#?" + words.toString();
};
const fromHash = () => {
  const words = new URLSearchParams(location.hash.slice(2));
  for (const key of KEYS) state[key] = words.has(key) ? words.get(key) : defaults[key];
  if (!index.views.some((v) => v.model === state.model)) state.model = defaults.model;
  if (!(state.scorer in index.scorers)) state.scorer = defaults.scorer;
  const known = state.compare.startsWith("s") ? state.compare.slice(1) in index.scorers : state.compare in index.views;
  if (!known) state.compare = "";
  if (!["together", "apart"].includes(state.groups)) state.groups = "together";
  state.page = Number.parseInt(state.page, 10) || 0;
};

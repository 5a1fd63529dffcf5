// What a reader does: menus, keys, sorting, dark mode; and the page's own start.
let turn = 0; // the draw that was asked for last; earlier ones that still wait for data are dropped
const draw = async (focus, scroll = false) => {
  const mine = ++turn;
  try {
    if (!columns) setColumns(await load("columns"));
    fillMenus();
    await filter();
    if (mine !== turn) return;
    const start = pages[state.page] || 0;
    const needed = listed.slice(start, pages[state.page + 1] ?? start + PAGE);
    if (numberOf.has(state.sample)) needed.push(numberOf.get(state.sample));
    await loadRows(needed);
    if (mine !== turn) return;
    drawList();
    drawSample(focus);
    if (scroll) byId("browser").scrollIntoView();
  } catch (error) {
    byId("count").textContent = "The samples cannot be shown: " + error.message + ".";
  }
  restorePlace();
  document.documentElement.dataset.ready = "true";
  loadAhead();
};

const go = (changes) => {
  const next = hash(changes);
  if (location.hash === next || (location.hash === "" && next === "#?")) { Object.assign(state, changes); draw(false); } else location.hash = next;
};

let started = false;
const follow = () => {
  if (location.hash !== "" && !location.hash.startsWith("#?")) return; // a section of the page
  const before = state.sample;
  const filtered = JSON.stringify({ ...state, sample: "", page: 0 });
  fromHash();
  const opening = state.sample !== "" && state.sample !== before;
  const moved = filtered !== JSON.stringify({ ...state, sample: "", page: 0 });
  const scroll = location.hash !== "" && (moved || !started) && !byId("filters").contains(document.activeElement);
  draw(opening, scroll && !opening);
};

const step = (by) => {
  if (!columns || !listed.length) return;
  const at = listed.indexOf(numberOf.has(state.sample) ? numberOf.get(state.sample) : -1);
  const to = at < 0 ? pages[state.page] : Math.min(listed.length - 1, Math.max(0, at + by));
  go({ sample: nameOf(listed[to]), page: pageOf(to) });
};

for (const key of SELECTS) byId(key).addEventListener("change", () => go({ [key]: byId(key).value, page: 0 }));
let waiting = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => go({ q: byId("search").value.trim(), page: 0 }), 100);
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

const closeSample = async () => {
  const last = state.sample;
  go({ sample: "" });
  for (let tries = 0; state.sample !== "" && tries < 20; tries++) await new Promise(requestAnimationFrame);
  const link = [...document.querySelectorAll("#list a")].find((a) => a.getAttribute("href") === hash({ sample: last }));
  if (link) link.focus();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName);
  if (event.key === "Escape") {
    if (typing) document.activeElement.blur();
    else if (state.sample !== "") closeSample();
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

// -- tables sort by the column whose head is pressed; groups of rows stay together, absent numbers come last
const sortBy = (table, place, head) => {
  const down = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && !("number" in head.dataset));
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "ascending" : "descending");
  const keyOf = (row) => {
    const cell = row.cells[place];
    if (!("number" in head.dataset)) return cell.textContent;
    const text = cell.dataset.value ?? cell.textContent.replaceAll(",", "");
    return text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text);
  };
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.sort((x, y) => {
      const [a, b] = [keyOf(x), keyOf(y)];
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "string" ? a.localeCompare(b) : a - b;
      return down ? order : -order;
    });
    body.append(...rows);
  }
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = table.tHead.rows[table.tHead.rows.length - 1].cells;
  [...heads].forEach((head, place) => {
    if ("fixed" in head.dataset) return;
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, place, head));
  });
}

// -- dark mode: as the system's setting until the reader chooses
const themeButton = byId("theme");
const remember = (value) => { try { localStorage.setItem("cambrian-eval-theme", value); } catch { /* no storage: the choice is lost with the page */ } };
const recall = () => { try { return localStorage.getItem("cambrian-eval-theme"); } catch { return null; } };
const setTheme = (dark) => {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  themeButton.setAttribute("aria-pressed", String(dark));
};
const stored = recall();
setTheme(stored ? stored === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
themeButton.addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme !== "dark";
  setTheme(dark);
  remember(dark ? "dark" : "light");
});
byId("print").addEventListener("click", () => print());

// -- served while a run goes on: asks what is new, and loads the page again where it changed, at the reader's place
const PLACE = "cambrian-eval-place";
const sections = () => [...document.querySelectorAll("details")];
const renew = () => {
  try { sessionStorage.setItem(PLACE, JSON.stringify({ top: scrollY, open: sections().map((d) => d.open) })); } catch { /* no storage: the page opens at its top */ }
  location.reload();
};
function restorePlace() {
  if (!index.live) return;
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
  } catch { /* as above */ }
  if (!place) return;
  sections().forEach((d, k) => { d.open = place.open[k] ?? d.open; });
  scrollTo(0, place.top);
}
const askForNews = async () => {
  try {
    const news = await fromScript("live", "live.js?" + Date.now());
    byId("live").hidden = news.progress === "";
    byId("live").textContent = news.progress;
    if (news.version !== index.live && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) renew();
  } catch { byId("live").hidden = true; } // the server has ended; the page stays as it is
  setTimeout(askForNews, 2000);
};
if (index.live) askForNews();

Object.assign(defaults, state, { model: index.views.length ? index.views[0].model : "", condition: index.views.length ? index.views[0].condition : "" });
Object.assign(state, defaults);
addEventListener("hashchange", follow);
if (location.hash.startsWith("#?")) follow();
else requestAnimationFrame(() => draw(false)); // after the first paint
started = true;

// The data: names and counts are in the page; columns and rows are read from it or from scripts beside it.
// All text from models and datasets enters the page as text, never as markup.
const byId = (id) => document.getElementById(id);
const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const index = JSON.parse(byId("index").textContent);
const total = index.benchmarks.reduce((sum, b) => sum + b.n, 0);
const starts = []; // number of each benchmark's first sample
index.benchmarks.reduce((sum, b) => { starts.push(sum); return sum + b.n; }, 0);

const parts = new Map(); // name -> value
const asked = new Map(); // name -> promise of the value
const awaited = new Map(); // name -> what settles the promise

window.cambrianReport = (name, stamp, json) => {
  const settle = awaited.get(name);
  if (!settle) return;
  if (name !== "live" && stamp !== index.stamp) settle.reject(new Error("the folder " + index.folder + " beside this page belongs to another report"));
  else settle.resolve(JSON.parse(json)); // quicker than an object written in the script
};

const fromScript = (name, address) => new Promise((resolve, reject) => {
  awaited.set(name, { resolve, reject });
  const script = make("script", { src: address });
  const lost = () => reject(new Error("the folder " + index.folder + " that was written beside this page is missing or incomplete"));
  script.addEventListener("error", lost);
  script.addEventListener("load", () => { script.remove(); lost(); }); // after a value arrived, a rejection does nothing
  document.head.append(script);
});

const load = (name) => {
  if (!asked.has(name)) {
    const inPage = byId("part-" + name);
    const found = inPage ? Promise.resolve(JSON.parse(inPage.textContent)) : fromScript(name, index.folder + "/" + name + ".js");
    asked.set(name, found.then((value) => { parts.set(name, value); return value; }));
  }
  return asked.get(name);
};

let columns = null; // what filters read: set before anything is drawn
let numberOf = new Map(); // "benchmark/id" -> number of the sample
const membersOf = new Map(); // number of a group -> its samples

const setColumns = (value) => {
  columns = value;
  index.benchmarks.forEach((b, k) => { for (let i = starts[k]; i < starts[k] + b.n; i++) numberOf.set(b.name + "/" + value.ids[i], i); });
  value.groups.forEach((g, i) => {
    if (g < 0) return;
    if (!membersOf.has(g)) membersOf.set(g, []);
    membersOf.get(g).push(i);
  });
};

const placeOf = (i) => { let k = 0; while (k + 1 < starts.length && starts[k + 1] <= i) k++; return k; };
const benchmarkOf = (i) => index.benchmarks[placeOf(i)];
const nameOf = (i) => benchmarkOf(i).name + "/" + columns.ids[i];
const groupOf = (i) => (columns.groups.length ? columns.groups[i] : -1);

const blockOf = (i) => "rows-" + Math.floor(i / index.block);
const rowOf = (i) => parts.get(blockOf(i))[i % index.block];
const loadRows = (numbers) => Promise.all([...new Set(numbers.map(blockOf))].map(load));

// -- the texts for the search: loaded ahead, a part at a time while the page has nothing to do, or by the first search
const AHEAD = 64; // parts; more, some megabytes each in memory, are loaded only by a search
const texts = []; // number of a sample -> its text in lower case
const loadText = async (k) => (await load("texts-" + k)).forEach((text, j) => { texts[index.texts[k] + j] = text; });
const loadTexts = async () => {
  if (index.texts.some((_, k) => !parts.has("texts-" + k))) byId("count").textContent = "Loading the texts for the search…";
  await Promise.all(index.texts.map((_, k) => loadText(k)));
};
const whenIdle = window.requestIdleCallback || ((act) => setTimeout(act, 50));
let nextText = index.texts.length > AHEAD ? index.texts.length : 0;
const loadAhead = () => whenIdle(() => {
  if (nextText < index.texts.length) loadText(nextText++).then(loadAhead, () => {});
});

const WORDS = { r: "right", p: "partly right", w: "wrong", u: "unparsed", f: "failed", n: "undecided", h: "answer withheld", ".": "not run" };
const conditionOf = (v) => index.conditions[index.views[v].condition];
const viewName = (v) => index.views[v].model + ", " + conditionOf(v).title;
const viewOf = (model, condition) => index.views.findIndex((v) => v.model === model && v.condition === condition);
const outcomeOf = (v, s, i) => (v < 0 ? "." : columns.outcomes[v + ":" + s][i]);

// -- images: in the page, in files beside it, or not in this report
const known = new Set(index.images.known || []);
const imageOf = (digest, alt) => {
  const image = make("img", { alt, loading: "lazy" });
  if (index.images.embedded && digest in index.images.embedded) {
    load("images-" + index.images.embedded[digest]).then((block) => { image.src = "data:image/jpeg;base64," + block[digest]; });
    return image;
  }
  if (!known.has(digest)) return null;
  image.src = index.images.files + "/" + digest + ".jpg";
  return image;
};

// ---- the full-size view: wheel, pinch, buttons and keys zoom; dragging moves
let view = { scale: 1, x: 0, y: 0 }, isFitted = false;
const fingers = new Map();
const sheet = byId("sheet"), stage = byId("stage"), fullImage = sheet.querySelector("img");

function apply() {
  sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  sheet.classList.toggle("large", view.scale >= 3);
}

function fit() {
  const w = fullImage.naturalWidth, h = fullImage.naturalHeight;
  if (!w) return;
  const scale = Math.min(stage.clientWidth / w, stage.clientHeight / h);
  view = { scale, x: (stage.clientWidth - w * scale) / 2, y: (stage.clientHeight - h * scale) / 2 };
  apply();
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(Math.max(view.scale * factor, 0.05), 40), real = scale / view.scale;
  view = { scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
  apply();
}

function showFull() {
  const row = rowHere(), panel = byId("panel");
  const path = imagePath(row), another = panel.dataset.key !== row.key;
  if (another) {
    isFitted = false; // the same image with other boxes keeps its zoom
    panel.dataset.key = row.key;
    panel.replaceChildren();
    fill(panel, row);
  }
  fullImage.onload = () => { overlay(sheet, fullImage, row); if (!isFitted) fit(); isFitted = true; };
  if (another || fullImage.getAttribute("src") !== path) fullImage.src = path;
  else overlay(sheet, fullImage, row);
  paintInto(panel, row);
}

function openFull() {
  if (!visible.length) return;
  byId("full").hidden = false;
  byId("panel").dataset.key = "";
  showFull();
}

function closeFull() { byId("full").hidden = true; }

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const at = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - at.left, event.clientY - at.top);
}, { passive: false });

stage.addEventListener("pointerdown", (event) => {
  stage.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
});

stage.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY], rest = [...fingers].find(([id]) => id !== event.pointerId);
  fingers.set(event.pointerId, now);
  if (!rest) {
    view.x += now[0] - before[0]; view.y += now[1] - before[1];
    apply();
    return;
  }
  const still = rest[1], at = stage.getBoundingClientRect();
  const span = (p) => Math.max(Math.hypot(p[0] - still[0], p[1] - still[1]), 1);
  zoom(span(now) / span(before), (now[0] + still[0]) / 2 - at.left, (now[1] + still[1]) / 2 - at.top);
});

for (const name of ["pointerup", "pointercancel"])
  stage.addEventListener(name, (event) => fingers.delete(event.pointerId));

const tools = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, one: () => zoom(1 / view.scale), boxes: switchBoxes,
  previous: () => focus(current - 1), following: () => focus(current + 1), undo, close: closeFull };
byId("bar").querySelectorAll(".tools button").forEach((b) => b.addEventListener("click", () => {
  b.blur();
  tools[b.dataset.zoom || b.dataset.act]();
}));
window.addEventListener("resize", () => { if (!byId("full").hidden) fit(); });
start();

// What a page does beyond HTML: tables that sort and filter, origins of cells, pictures over each other, words for marks.

const unpack = async (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
};

const module = (id) => {
  const url = URL.createObjectURL(new Blob([document.getElementById(id).textContent], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
};

const origins = unpack("origins");
const dialog = document.getElementById("origin");

const show = async (cell) => {
  const [row, column] = cell.dataset.cell.split(",");
  dialog.querySelector("pre").textContent = (await origins)[cell.closest("table").dataset.table][row][column];
  dialog.querySelector("h2").textContent = `Origin of ${cell.textContent || "a blank"}`;
  dialog.showModal();
};

const widen = (grid, headers) => {
  const wide = headers.map((header, index) => (header.dataset.narrow === "no" ? index : -1)).filter((index) => index >= 0);
  if (!wide.length) return;
  const button = Object.assign(document.createElement("button"), { className: "columns", type: "button" });
  const set = (visible) => {
    grid.columns(wide).visible(visible);
    button.textContent = visible ? "Fewer columns" : `All ${headers.length} columns`;
    button.setAttribute("aria-expanded", visible);
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-expanded") !== "true"));
  set(false);
  grid.table().container().before(button);
};

// Arrow keys, Home, End and Enter; Tab goes on to what follows the table.
const KEYS = { keys: [13, 33, 34, 35, 36, 37, 38, 39, 40] };
// DataTables has its dark colours under a class.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", paint);
paint();

const { ITable, jQuery } = await module("grid");
for (const table of document.querySelectorAll("table[data-table]")) {
  const headers = [...table.querySelectorAll("th")];
  const options = { paging: false, info: false, order: [], autoWidth: false, keys: KEYS, classes: ["compact"], layout: { topStart: "search", topEnd: null } };
  new ITable(table, options);
  const grid = jQuery(table).DataTable();
  widen(grid, headers);
  grid.on("key", (event, _, code, cell) => code === 13 && show(cell.node()));
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-cell]");
    if (cell) show(cell);
  });
}

const pictures = document.querySelector(".pictures");
document.getElementById("cut")?.addEventListener("input", (event) => pictures.style.setProperty("--cut", `${event.target.value}%`));
for (const choice of document.querySelectorAll("input[name=layer]")) {
  choice.addEventListener("change", () => {
    for (const layer of pictures.querySelectorAll(".layer")) layer.hidden = layer.dataset.layer !== choice.value;
  });
}

// The marks of a chart are one stop of the Tab key; arrow keys go from one to the next.
const tip = document.body.appendChild(Object.assign(document.createElement("div"), { className: "tip", role: "status" }));
const tell = ({ currentTarget: mark }) => {
  const place = mark.getBoundingClientRect();
  tip.textContent = mark.getAttribute("aria-label");
  tip.style.left = `${Math.max(0, Math.min(place.right, document.documentElement.clientWidth - tip.offsetWidth)) + scrollX}px`;
  tip.style.top = `${place.bottom + scrollY + 4}px`;
};
const hush = () => (tip.textContent = "");
for (const chart of document.querySelectorAll(".chart")) {
  const marks = [...chart.querySelectorAll(":is(.mark-symbol, .mark-rect) > [aria-label]")];
  marks.forEach((mark, index) => {
    mark.setAttribute("tabindex", index ? -1 : 0);
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      marks.at((index + step) % marks.length).focus();
    });
    for (const event of ["pointerenter", "focus"]) mark.addEventListener(event, tell);
    for (const event of ["pointerleave", "blur"]) mark.addEventListener(event, hush);
  });
}
document.documentElement.dataset.ready = "yes";

"use strict";
// Sorts and filters the table of cases. Without it the table is whole, in its first order.
const table = document.querySelector("table.cases");
const body = table.tBodies[0];
const rows = Array.from(body.rows);
const heads = Array.from(table.tHead.rows[0].cells);

function compare(a, b, numeric, ascending) {
  if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last
  const order = numeric ? a - b : a.localeCompare(b, undefined, {numeric: true});
  return ascending ? order : -order;
}

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const ascending = now ? now === "descending" : head.dataset.first === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const numeric = head.dataset.kind === "number";
    const value = (row) => row.cells[column].dataset.value;
    body.append(...rows.sort((a, b) => compare(value(a), value(b), numeric, ascending)));
  });
});

const filter = document.getElementById("filter");
const found = document.getElementById("found");
const plain = (text) => text.toLowerCase().replaceAll("_", " ");
const texts = new Map(rows.map((row) => [row, plain(row.textContent)]));

function show() {
  const words = plain(filter.value).split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every((word) => texts.get(row).includes(word));
    if (!row.hidden) count += 1;
  }
  found.textContent = `${count} of ${rows.length} shown`;
}

filter.addEventListener("input", show);
filter.form.addEventListener("submit", (event) => event.preventDefault());
filter.form.hidden = false;
show(); // a browser keeps what was typed when it comes back to a page

/*
 * save.js - tables as CSV, plots as SVG, and the address of what is shown
 */

function saveAs(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/* A name for a file: the page and what it is. */
function fileName(what, ending) {
  const name = `${document.querySelector("h2.page")?.textContent ?? ""} ${what}`;
  return `${name.trim().replace(/[^\p{L}\p{N}.+-]+/gu, "-").slice(0, 80)}.${ending}`;
}

/* A field of RFC 4180.  Numbers are as they are in the run, without commas and signs of typography. */
function csvField(value) {
  const text = value == null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvText(columns, items) {
  const used = columns.filter((c) => c.head !== "");
  const cell = (column, item) => {
    if (column.of) {
      return column.of(item);
    }
    const shown = column.show(item), box = document.createElement("span");
    box.append(...[shown].flat(Infinity).filter((x) => x != null && x !== false));
    return box.textContent.replaceAll("\u2212", "-");
  };
  return [used.map((c) => csvField(c.head)), ...items.map((item) => used.map((c) => csvField(cell(c, item))))]
    .map((line) => `${line.join(",")}\r\n`).join("");
}

function csvButton(caption, columns, items) {
  return el("button", { type: "button", class: "save", title: `all ${plural(items.length, "row")} as a file`, onclick: () =>
    saveAs(fileName(caption, "csv"), new Blob([csvText(columns, items)], { type: "text/csv" })) }, "CSV");
}

const drawnWith = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size"];

/* The plot with its colours in it, so that it needs no style sheet. */
function standaloneSvg(picture) {
  const copy = picture.cloneNode(true), from = [picture, ...picture.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    drawnWith.forEach((name) => to[i].setAttribute(name, style.getPropertyValue(name)));
    to[i].removeAttribute("class");
  });
  const [, , width, height] = picture.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(svg("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body).getPropertyValue("--card").trim() }));
  return new XMLSerializer().serializeToString(copy);
}

function svgButton(title, picture) {
  return el("button", { type: "button", class: "save", title: "the plot as a file", onclick: () =>
    saveAs(fileName(title, "svg"), new Blob([standaloneSvg(picture)], { type: "image/svg+xml" })) }, "SVG");
}

/* Copies the address of the page, and says so. */
async function copyLink(button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(location.href);
  } catch { // a browser that gives no page its clipboard
    const box = document.createElement("textarea");
    box.value = location.href;
    document.body.append(box);
    box.select();
    done = document.execCommand("copy");
    box.remove();
  }
  button.textContent = done ? "copied" : "not copied";
  setTimeout(() => (button.textContent = "copy link"), 1500);
}

// Values as people read them, and elements made of them. Whatever comes from a cluster is put in as text, never as markup.

export function element(tag, classes = "", content = undefined) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (content !== undefined) made.textContent = content;
  return made;
}

export function svg(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** One of the symbols of index.html. What it means stands beside it in words. */
export function icon(name, classes = "icon") {
  const made = svg("svg", { class: classes, "aria-hidden": "true", focusable: "false" });
  made.append(svg("use", { href: `#icon-${name}` }));
  return made;
}

/** Sets a text only where it is another one, so that nothing is read out or selected away without need. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count, unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A length of time. */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

export function clock(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function day(date) {
  return date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/** "a", "a and b", "a, b and c". */
export function listed(names, word = "and") {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${word} ${names[names.length - 1]}`;
}

/** With a capital, where the first word is no node's name, and a point at the end. */
export function sentence(text) {
  if (!text) return "";
  const begun = /^(the|an?|no|too|as|commits|every|epoch|writes|data|it)\b/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Standbys are known to PostgreSQL by names that no other data folder can have. People know their nodes. */
export function plainNames(text) {
  return text.replace(/"pgaf_[a-z][a-z0-9-]*_([^"]+)_[0-9a-f]{16}"/g, "$1");
}

/** Sets a text with plain names; the exact one shows when it is pointed at. */
export function putPlain(node, text) {
  const plain = plainNames(text);
  put(node, plain);
  if (plain === text) node.removeAttribute("title");
  else node.title = text;
}

/** PostgreSQL's version number as it is spoken. */
export function postgres(version) {
  if (!version) return "–";
  return `${Math.floor(version / 10000)}.${version % 10000}`;
}

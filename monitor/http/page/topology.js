// Who follows whom: the primary's card, the standbys' cards, and the arrows between them.
import { element, icon, svg } from "./text.js";
import { NodeCard, replication } from "./node.js";

export class Topology {
  constructor(root) {
    this.root = root;
    this.primarySide = root.querySelector("#primary-side");
    this.standbySide = root.querySelector("#standby-side");
    this.paths = root.querySelector("#wire-paths");
    this.cards = new Map();
    this.nodes = [];
    this.nobody = this.#placeholder();
    new ResizeObserver(() => this.#draw()).observe(root);
  }

  #placeholder() {
    const box = element("li", "node node-nobody");
    box.append(icon("bad"), element("p", "", "No node is the primary"));
    return box;
  }

  clear() {
    for (const card of this.cards.values()) card.root.remove();
    this.cards.clear();
    this.nodes = [];
    this.paths.replaceChildren();
  }

  update(state, at) {
    this.nodes = state.nodes;
    const names = new Set(state.nodes.map((node) => node.name));
    for (const [name, card] of this.cards) {
      if (names.has(name)) continue;
      card.root.remove();
      this.cards.delete(name);
    }
    const sides = new Map([[this.primarySide, []], [this.standbySide, []]]);
    for (const node of state.nodes) {
      if (!this.cards.has(node.name)) this.cards.set(node.name, new NodeCard(node.name));
      const card = this.cards.get(node.name);
      card.update(node, at);
      sides.get(node.primary ? this.primarySide : this.standbySide).push(card.root);
    }
    if (!sides.get(this.primarySide).length) sides.get(this.primarySide).push(this.nobody);
    for (const [side, wanted] of sides) this.#arrange(side, wanted);
    this.serves = state.has_writable_primary;
    this.#draw();
  }

  /** Moves only what stands elsewhere, so that whatever has the focus keeps it. */
  #arrange(side, wanted) {
    for (const child of [...side.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((root, place) => { if (side.children[place] !== root) side.insertBefore(root, side.children[place] ?? null); });
    side.hidden = wanted.length === 0;
  }

  freeze() {
    for (const card of this.cards.values()) card.freeze();
  }

  tick(now) {
    for (const card of this.cards.values()) card.tick(now);
  }

  #draw() {
    const primary = this.nodes.find((node) => node.primary);
    const from = primary && this.cards.get(primary.name)?.root.getBoundingClientRect();
    const origin = this.root.getBoundingClientRect();
    const drawn = [];
    const standbys = from ? this.nodes.filter((node) => !node.primary) : [];
    standbys.forEach((node, number) => {
      const to = this.cards.get(node.name).root.getBoundingClientRect();
      const how = this.serves ? replication(node).kind : "none";
      const path = svg("path", { class: `wire wire-${how}`, d: wire(from, to, origin, number, standbys.length), "data-to": node.name });
      if (how !== "none") path.setAttribute("marker-end", "url(#tip)");
      drawn.push(path);
    });
    this.paths.replaceChildren(...drawn);
  }
}

/** Beside each other: a curve from the primary's edge. Below each other: down the left margin. */
function wire(from, to, origin, number, count) {
  const beside = to.left >= from.right;
  if (beside) {
    const x1 = from.right - origin.left, x2 = to.left - origin.left - 3;
    const spread = Math.min(28, (from.height - 48) / Math.max(count, 1));
    const y1 = from.top - origin.top + from.height / 2 + (number - (count - 1) / 2) * spread;
    const y2 = to.top - origin.top + to.height / 2;
    const bend = (x2 - x1) * 0.55;
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  const x = from.left - origin.left - 12, x2 = to.left - origin.left - 3;
  const y1 = from.top - origin.top + 36, y2 = to.top - origin.top + 36, r = 8;
  const x1 = from.left - origin.left;
  return `M${x1} ${y1}H${x + r}Q${x} ${y1} ${x} ${y1 + r}V${y2 - r}Q${x} ${y2} ${x + r} ${y2}H${x2}`;
}

// The connection to the monitor: one stream of server-sent events, taken up again by itself. It counts as lost when it
// breaks, and when the monitor falls silent: signs of life come every 2 s.

const monitor = "/api/v1/stream";
const silence = 6000;
const again = 2000;

export class Live {
  /** `on`: state(data), event(data), alive(data), gap(), connection("live" | "lost", Date of the last word). */
  constructor(on) {
    this.on = on;
    this.heard = null;
    this.connected = null;
    this.lastEvent = "";
    this.path = "";
    this.aside = false;     // the path was refused: the monitor is asked what there is instead
    this.opened = 0;
    setInterval(() => this.#look(), 500);
    addEventListener("online", () => this.#open());
    // A page that the browser has put to sleep must not show what it knew before as the present.
    document.addEventListener("visibilitychange", () => this.#look());
  }

  follow(path) {
    if (path === this.path && !this.aside) return;
    if (path !== this.path) this.lastEvent = "";
    this.path = path;
    this.aside = false;
    this.#open();
  }

  #open() {
    clearTimeout(this.retry);
    this.source?.close();
    if (!this.path) return;
    this.opened = Date.now();
    const path = this.lastEvent ? `${this.path}?after=${this.lastEvent}` : this.path;
    const source = new EventSource(this.aside ? monitor : path);
    this.source = source;
    const take = (type, use) => source.addEventListener(type, (message) => {
      if (source !== this.source) return;
      if (message.lastEventId) this.lastEvent = message.lastEventId;
      this.heard = new Date();
      use(JSON.parse(message.data));
      // Unless it has led to another stream, which has said nothing yet.
      if (source === this.source) this.#show("live");
    });
    take("alive", (data) => this.on.alive(data));
    take("state", (data) => this.on.state(data));
    take("event", (data) => this.on.event(data));
    take("gap", () => this.on.gap());
    source.onerror = () => {
      if (source !== this.source) return;
      this.#show("lost");
      // A refusal ends a source for good; a break it mends by itself.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.#ask(), again);
    };
  }

  /** There may be no such cluster any more, or not yet again: the monitor's own stream tells which there are. */
  #ask() {
    this.aside = true;
    this.#open();
  }

  /** A machine that has vanished breaks no connection: a source that is silent is no better than a broken one. */
  #look() {
    if (!this.path || Date.now() - Math.max(this.opened, this.heard?.getTime() ?? 0) <= silence) return;
    this.#show("lost");
    this.#open();
  }

  #show(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.on.connection(connected, this.heard);
  }
}

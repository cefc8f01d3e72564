// The connection to the monitor: one stream of server-sent events, taken up again by itself. It counts as lost when it
// breaks, and when the monitor falls silent: signs of life come every 2 s.

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
    setInterval(() => this.#look(), 500);
    addEventListener("online", () => this.#open());
    // A page that the browser has put to sleep must not show what it knew before as the present.
    document.addEventListener("visibilitychange", () => this.#look());
  }

  follow(path) {
    if (path === this.path) return;
    this.path = path;
    this.lastEvent = "";
    this.#open();
  }

  #open() {
    clearTimeout(this.retry);
    this.source?.close();
    if (!this.path) return;
    const source = new EventSource(this.lastEvent ? `${this.path}?after=${this.lastEvent}` : this.path);
    this.source = source;
    const take = (type, use) => source.addEventListener(type, (message) => {
      if (source !== this.source) return;
      if (message.lastEventId) this.lastEvent = message.lastEventId;
      this.heard = new Date();
      use(JSON.parse(message.data));
      this.#show("live");
    });
    take("alive", (data) => this.on.alive(data));
    take("state", (data) => this.on.state(data));
    take("event", (data) => this.on.event(data));
    take("gap", () => this.on.gap());
    source.onerror = () => {
      if (source !== this.source) return;
      this.#show("lost");
      // A refusal ends a source for good; a break it mends by itself.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.#open(), again);
    };
  }

  #look() {
    if (this.heard && Date.now() - this.heard.getTime() > silence) this.#show("lost");
  }

  #show(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.on.connection(connected, this.heard);
  }
}

// What happens to the page: it is reloaded or left, comes back from the cache, changes networks, or is opened twice.

/** Where the calls of a page that goes are kept for the next one in the same tab. */
const KEPT = 'offhook-calls ';
const LOCK = 'offhook-phone ';

export class Life {
  #name;
  #host;
  #keepCalls;
  /** The page is being left for another site: nobody comes back for its calls. */
  #leaving = false;
  #abort = new AbortController();
  #release;

  /** `host`: `suspend()` → text or nothing, `leave()`, `back()`, `reconnect()`, `lost()`. `name`: of the phone. */
  constructor(name, keepCalls, host) {
    this.#name = name;
    this.#host = host;
    this.#keepCalls = keepCalls;
    const { signal } = this.#abort;
    const on = (target, event, listener) => target?.addEventListener(event, listener, { signal });
    on(window, 'pagehide', () => this.#hidden());
    on(window, 'pageshow', ({ persisted }) => persisted && this.#shown());
    on(window, 'online', () => host.reconnect());
    on(window, 'offline', () => host.reconnect());
    const { connection } = navigator;
    let type = connection?.type;
    on(connection, 'change', () => {
      // Estimates of speed change all the time; another kind of network is another address.
      if (type !== connection.type) host.reconnect();
      type = connection.type;
    });
    if (keepCalls) {
      on(window.navigation, 'navigate', ({ destination, downloadRequest }) => {
        if (downloadRequest == null) this.#leaving = new URL(destination.url).origin !== location.origin;
      });
    }
  }

  /** The calls of the page that was before; once. */
  kept() {
    try {
      const kept = sessionStorage.getItem(KEPT + this.#name);
      sessionStorage.removeItem(KEPT + this.#name);
      return kept;
    } catch {
      // The page may keep nothing.
      return null;
    }
  }

  /**
   * Makes this tab the one that registers. `false`: another is; `then()` when it has gone. `steal`: takes it away from the other.
   */
  async own(steal, then) {
    const { locks } = navigator;
    if (!locks || this.#release) return true;
    const owns = await this.#lock(steal ? { steal } : { ifAvailable: true });
    if (!owns) this.#lock({ signal: this.#abort.signal }).then((owns) => owns && then());
    return owns;
  }

  /** Nothing is waited for or listened to any more. */
  stop() {
    this.#abort.abort();
    this.#release?.();
  }

  #lock(options) {
    return new Promise((resolve) => {
      const held = (lock) => {
        resolve(!!lock);
        return lock && new Promise((release) => (this.#release = release));
      };
      navigator.locks.request(LOCK + this.#name, options, held).catch(() => {
        resolve(false);
        // Another tab has taken it; after `stop` nobody cares.
        if (this.#release && !this.#abort.signal.aborted) {
          this.#release = undefined;
          this.#host.lost();
        }
      });
    });
  }

  #hidden() {
    const text = this.#keepCalls && !this.#leaving && this.#host.suspend();
    try {
      if (text) sessionStorage.setItem(KEPT + this.#name, text);
    } catch {
      // Full or forbidden: the far ends hear nothing more, and their servers notice.
    }
    this.#host.leave();
  }

  #shown() {
    this.#leaving = false;
    this.#host.back();
  }
}

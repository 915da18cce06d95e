// What happens to the page: it is reloaded or left, comes back from the cache, changes networks, or is opened twice.

/** Where the calls of a page that goes are kept for the next one in the same tab. */
const KEPT = 'offhook-calls ';

/** The name of a user's phone, among the pages of this site. */
export function nameOf(user, server) {
  return `${user}@${server}`;
}

/** Whether there are calls of the page before this one. */
export function hasKept(name) {
  return take(name, false) != null;
}

export class Life {
  #name;
  #host;
  #tab;
  #keepCalls;
  /** The page is being left for another site: nobody comes back for its calls. */
  #leaving = false;
  #abort = new AbortController();

  /** `host`: `suspend()` → text or nothing, `leave()`, `back()`, `reconnect()`, `lost()`. `name`: of the phone. */
  constructor(name, keepCalls, tab, host) {
    this.#name = name;
    this.#tab = tab;
    tab.lost = () => host.lost();
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

  /** The calls of the page that was before, until they are `resumed`: this page may be reloaded before that. */
  kept() {
    return take(this.#name);
  }

  resumed() {
    take(this.#name, true);
  }

  /**
   * Makes this tab the one that registers. `false`: another is; `then()` when it has gone. `steal`: takes it away from the other.
   * `signal` ends it.
   */
  async own(steal, signal, then) {
    if (await this.#tab.take(steal, signal)) return true;
    this.#tab.wait(signal).then((owns) => owns && then());
    return false;
  }

  /** Nothing is waited for or listened to any more. */
  stop() {
    this.#abort.abort();
    this.#tab.letGo();
  }

  #hidden() {
    const text = this.#keepCalls && !this.#leaving && this.#host.suspend();
    try {
      if (text) {
        sessionStorage.setItem(KEPT + this.#name, text);
        this.#tab.leave();
      }
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

function take(name, remove) {
  try {
    const kept = sessionStorage.getItem(KEPT + name);
    if (remove) sessionStorage.removeItem(KEPT + name);
    return kept;
  } catch {
    // The page may keep nothing.
    return null;
  }
}

// Of the tabs of one browser, one is the phone: the one that holds a lock (Web Locks). Where there are no locks, each of them is.

const LOCK = 'offhook-phone ';
/** When a tab of this phone was last left with calls, ms since 1970-01-01. */
const LEFT = 'offhook-left ';
/** Why the PBX has ended a tab's phone last: the error, and `at`, ms since 1970-01-01. */
const ENDED = 'offhook-ended ';
/** A reload is done by then. */
const RELOAD_MS = 5_000;

export class Tab {
  #name;
  #release;
  /** It has the lock and may be the phone. */
  mine = false;
  /** Another tab has taken it away. */
  lost = () => {};

  constructor(name) {
    this.#name = name;
  }

  /** Whether this tab is the phone, from now on. `steal`: whichever was it before. Once `signal` has ended, it is not. */
  async take(steal, signal) {
    this.mine ||= !navigator.locks || (await this.#lock(steal ? { steal } : { ifAvailable: true }));
    if (signal?.aborted) this.letGo();
    return this.mine;
  }

  /** Waits until this tab is the phone. `false`: `signal` has ended the waiting. */
  async wait(signal) {
    while (!this.mine) {
      if (!(await this.#lock({ signal }))) return false;
      // A page that has gone with its calls may be back, and takes the lock then.
      const left = Date.now() - stored(LEFT + this.#name);
      await new Promise((resolve) => setTimeout(resolve, left < RELOAD_MS ? RELOAD_MS : 0));
      if (signal?.aborted) {
        this.#release?.();
        return false;
      }
      this.mine = !!this.#release;
    }
    return true;
  }

  /** This page is left with its calls. */
  leave() {
    stored(LEFT + this.#name, Date.now());
  }

  /** The PBX ends the phone: the tabs that wait are not to undo that. A tab whose place was taken here has nothing to say. */
  end(error) {
    if (this.mine) stored(ENDED + this.#name, { ...error, at: Date.now() });
  }

  /** Why the PBX has ended the phone since then, if it has. */
  ended(since) {
    const error = stored(ENDED + this.#name);
    return error?.at > since && error;
  }

  /** Another one may be the phone. */
  letGo() {
    this.mine = false;
    this.#release?.();
  }

  #lock(options) {
    return new Promise((resolve) => {
      let held = false;
      const hold = (lock) => {
        held = !!lock;
        resolve(held);
        return lock && new Promise((release) => (this.#release = release));
      };
      navigator.locks.request(LOCK + this.#name, options, hold).catch(() => {
        resolve(false);
        // One that only waited has lost nothing.
        if (!held) return;
        this.#release = undefined;
        if (!this.mine) return;
        this.mine = false;
        this.lost();
      });
    });
  }
}

/** What the tabs keep there; from now on `value`, if one is given. */
function stored(key, value) {
  try {
    if (value) localStorage.setItem(key, JSON.stringify(value));
    return JSON.parse(localStorage.getItem(key));
  } catch {
    // The page may keep nothing.
    return null;
  }
}

// What happened in the page, in order, and a way to wait for it.

export class Journal {
  #entries = [];
  #waiting = new Set();

  add(name, detail = {}) {
    const entry = { at: Math.round(performance.now()), name, ...detail };
    this.#entries.push(entry);
    for (const waiter of [...this.#waiting]) waiter(entry);
  }

  entries() {
    return this.#entries;
  }

  /// The number of entries so far: a mark for `waitFor(…, {after})`.
  mark() {
    return this.#entries.length;
  }

  /// The first entry called `name` after the mark `after`, past or to come.
  waitFor(name, { after = 0, timeoutMs = 10_000, where = {} } = {}) {
    const fits = (entry) =>
      entry.name === name && Object.entries(where).every(([key, value]) => entry[key] === value);
    const past = this.#entries.slice(after).find(fits);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const waiter = (entry) => {
        if (!fits(entry)) return;
        done();
        resolve(entry);
      };
      const timer = setTimeout(() => {
        done();
        const seen = this.#entries.slice(after).map((entry) => JSON.stringify(entry)).join('\n  ');
        reject(new Error(`no "${name}" within ${timeoutMs} ms; since the mark:\n  ${seen}`));
      }, timeoutMs);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
      };
      this.#waiting.add(waiter);
    });
  }
}

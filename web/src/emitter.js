// Listeners by event name.

/** Tells the listeners of an event. Not for pages. */
export const emit = Symbol('emit');
/** Drops all listeners, for good. */
export const silence = Symbol('silence');

export class Emitter {
  #listeners = new Map();

  on(event, listener) {
    this.#add(event, listener);
  }

  once(event, listener) {
    this.#add(event, listener, true);
  }

  off(event, listener) {
    const kept = listener && this.#listeners.get(event)?.filter((entry) => entry.listener !== listener);
    if (kept?.length) this.#listeners.set(event, kept);
    else this.#listeners.delete(event);
  }

  #add(event, listener, once) {
    // The list is replaced, never changed: one that is being told stays as it is.
    this.#listeners?.set(event, [...(this.#listeners.get(event) ?? []), { listener, once }]);
  }

  [emit](event, ...payload) {
    for (const { listener, once } of this.#listeners?.get(event) ?? []) {
      if (once) this.off(event, listener);
      try {
        listener(...payload);
      } catch (error) {
        // The page's own handler of errors hears of it; no other listener does.
        reportError(error);
      }
    }
  }

  [silence]() {
    this.#listeners.clear();
  }
}

// A clock and a timer that stay right in a background tab and after the machine slept.

/** A difference of the two clocks above this is sleep, which `performance.now()` does not count everywhere; ms. */
const SLEEP = 2_000;

export class Clock {
  /** High enough that a call which the page before this one began has its moments above 0. */
  #mono = Date.now();
  #performance = performance.now();
  #wall = Date.now();

  /** `[mono, wall]`, ms. */
  now() {
    const [ticked, walked] = [performance.now() - this.#performance, Date.now() - this.#wall];
    this.#performance += ticked;
    this.#wall += walked;
    this.#mono += walked - ticked > SLEEP ? walked : ticked;
    return [this.#mono, this.#wall];
  }
}

const WORKER = 'let t;onmessage=({data})=>{clearTimeout(t);t=setTimeout(postMessage,data,0)}';

/** One deadline. Timers of a worker are not slowed down when the tab is hidden; those of the page are, to one a minute. */
export class Timer {
  #worker;
  #handle;
  #fire;
  /** When it fires; 0: not any more. */
  #due = 0;

  constructor(fire) {
    this.#fire = fire;
    try {
      const url = URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }));
      this.#worker = new Worker(url);
      URL.revokeObjectURL(url);
      this.#worker.onmessage = fire;
      // The page's policy forbids it (CSP worker-src), and says so late: what it was told is lost.
      this.#worker.onerror = () => {
        this.#worker = undefined;
        if (this.#due) this.set(this.#due - performance.now());
      };
    } catch {
      this.#worker = undefined;
    }
  }

  /** Fires once, in so many milliseconds; the last one counts. */
  set(delay) {
    clearTimeout(this.#handle);
    this.#due = performance.now() + delay;
    if (this.#worker) this.#worker.postMessage(delay);
    else this.#handle = setTimeout(this.#fire, delay);
  }

  stop() {
    this.#due = 0;
    clearTimeout(this.#handle);
    this.#worker?.terminate();
  }
}

// A WebSocket that tells each thing once.

/** A server that does not open it in this time is given up; ms. */
export const CONNECTING = 10_000;

export class Socket {
  #tell;
  #late;
  #open = false;
  /** The browser's. */
  raw = null;

  /**
   * `tell(what, detail)`: `open` (with the subprotocol), `text`, and last, whoever ends it, how it was closed: `local`, `remote` (with the
   * code), `timeout` or `failed`.
   */
  constructor(url, protocols, tell) {
    this.#tell = tell;
    try {
      this.raw = new WebSocket(url, protocols);
    } catch {
      // The page's policy forbids it, or it is a secure page and an insecure server.
      queueMicrotask(() => this.end('failed'));
      return;
    }
    this.raw.binaryType = 'arraybuffer';
    this.#late = setTimeout(() => this.end('timeout'), CONNECTING);
    this.raw.onopen = () => {
      clearTimeout(this.#late);
      this.#open = true;
      tell('open', this.raw.protocol);
    };
    this.raw.onmessage = ({ data }) => tell('text', typeof data === 'string' ? data : new TextDecoder().decode(data));
    this.raw.onclose = ({ code }) => this.end(this.#open ? 'remote' : 'failed', code);
  }

  send(text) {
    if (this.#open) this.raw.send(text);
  }

  /** Without a reason nothing is told. */
  end(how, code) {
    const tell = this.#tell;
    if (!tell) return;
    this.#tell = undefined;
    this.#open = false;
    clearTimeout(this.#late);
    if (this.raw) {
      this.raw.onopen = this.raw.onmessage = this.raw.onclose = null;
      this.raw.close();
    }
    if (how) tell(how, code);
  }
}

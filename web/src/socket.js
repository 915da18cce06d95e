// A WebSocket that tells each thing once.

/** A server that does not open it in this time is given up; ms. */
export const CONNECTING = 10_000;

/** The browser's; `null` where the page's policy forbids it, or a secure page names an insecure server. */
export function open(url, protocols) {
  try {
    return new WebSocket(url, protocols);
  } catch {
    return null;
  }
}

export class Socket {
  #tell;
  #late;
  #open = false;
  /** The browser's. */
  raw = null;

  /**
   * `tell(what, detail)`: `open` (with the subprotocol), `text`, and last, whoever ends it, how it was closed: `local`, `remote` (with the
   * code), `timeout` or `failed`. `raw`: one that was opened ahead; without it, a new one is.
   */
  constructor(url, protocols, tell, raw = open(url, protocols)) {
    this.#tell = tell;
    this.raw = raw;
    if (!raw) {
      queueMicrotask(() => this.end('failed'));
      return;
    }
    raw.binaryType = 'arraybuffer';
    this.#late = setTimeout(() => this.end('timeout'), CONNECTING);
    raw.onopen = () => {
      clearTimeout(this.#late);
      this.#open = true;
      tell('open', raw.protocol);
    };
    if (raw.readyState === WebSocket.OPEN) queueMicrotask(() => this.#tell && raw.onopen());
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

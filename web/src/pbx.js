// A P-Series PBX as a page holds it, and the log-in that it begins with.

import { Emitter, emit, silence } from './emitter.js';

/** A refusal of the PBX: `message` is the word of its `code`, `detail` says what happened and what to do. */
export class PBXError extends Error {
  constructor({ code, message, detail }) {
    super(message);
    this.name = 'PBXError';
    this.code = code;
    this.detail = detail;
  }
}

export class PBXOperator extends Emitter {
  #driver;
  #phone;
  #facts;

  constructor(driver, phone) {
    super();
    this.#driver = driver;
    this.#phone = phone;
    this.#facts = driver.read('pbx');
  }

  static {
    // Not fields of the object's own: what shows the object shows no secret.
    for (const name of ['url', 'username', 'secret', 'token', 'extensionNumber', 'extensionId', 'extensionName']) {
      Object.defineProperty(PBXOperator.prototype, name, {
        get() {
          return (this.#driver.read('pbx') ?? this.#facts)[name];
        },
      });
    }
  }

  get socket() {
    return this.#driver.subscription?.raw ?? null;
  }

  /** It is made of an `init` already. */
  async init() {
    throw new PBXError({ code: -105, message: 'PBX_ALREADY_INITIALIZED', detail: 'destroy it first, then init() makes another' });
  }

  cdrQuery({ page, size, status, sortBy, orderBy, filter } = {}) {
    const query = [page, size, status ?? 0, String(sortBy ?? 'time'), String(orderBy ?? 'desc'), String(filter ?? '')];
    return new Promise((resolve, reject) => {
      const asked = this.#driver.turn('cdr', ...query);
      this.#driver.settled(asked, (refusal, rows) => (rows ? resolve(rows) : reject(refused(refusal))));
      this.#driver.carryOut();
    });
  }

  /** Everybody hears of the end. */
  async logout() {
    const refusal = await this.#driver.settles('logout');
    if (refusal) throw refused(refusal);
  }

  /** Nobody does. */
  destroy() {
    this[silence]();
    return this.#phone.destroy();
  }

  // --- for the phone ---

  tell({ event, ...payload }) {
    this[emit](event, payload);
  }
}

/** What the driver says of one that is over is of the phone. */
function refused({ code, ...rest }) {
  return new PBXError({ ...rest, code: code === -200 ? -100 : code });
}

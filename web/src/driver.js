// Between the core and the browser: does what the core says, in its order, and tells it what happened.

import { Clock, Timer } from './timer.js';

/** A server that does not open the WebSocket in this time is given up; ms. */
const CONNECTING = 10_000;

const DESTROYED = { code: -200, message: 'UNKNOWN_ERROR', detail: 'the phone was destroyed' };

export class Driver {
  #core;
  #server;
  #host;
  #clock = new Clock();
  #timer = new Timer(() => {
    this.#deadline = undefined;
    this.run('time');
  });
  #deadline;
  #socket;
  #outputs = [];
  #busy = false;
  /** Who waits for a command, by its number. */
  #waiting = new Map();

  /** `host`: `before()` each turn, `event(payload)`, `media(callId, name, command)`, `filter(callId)` → SDP. */
  constructor(core, server, host) {
    this.#core = core;
    this.#server = server;
    this.#host = host;
  }

  /** A getter of the core; `undefined` after the end. */
  read(getter, ...parameters) {
    const text = this.#core?.[getter](...parameters);
    return text && JSON.parse(text);
  }

  /** The core's monotonic time, ms. */
  mono() {
    return this.#clock.now()[0];
  }

  devices(survey) {
    this.#core?.devices(...survey);
  }

  /** Does something to the core and carries out what follows. Its result. */
  run(method, ...parameters) {
    const result = this.turn(method, ...parameters);
    this.carryOut();
    return result;
  }

  /** As `run`, but `carryOut` must follow. */
  turn(method, ...parameters) {
    if (!this.#core) return DESTROYED;
    this.#host.before();
    const [result, outputs] = JSON.parse(this.#core[method](...this.#clock.now(), ...parameters));
    this.#outputs.push(...outputs);
    return result;
  }

  /** A command: whether it was accepted. */
  accepts(verb, callId = '', argument = '', more = '') {
    return typeof this.run('act', verb, String(callId), String(argument), String(more)) === 'number';
  }

  /** A command of which the end matters: its refusal, or nothing. */
  settles(verb, callId = '', argument = '', more = '') {
    return new Promise((resolve) => {
      this.settled(this.turn('act', verb, callId, argument, more), resolve);
      this.carryOut();
    });
  }

  /** `then(refusal)` once the command with this result of a turn is over. Call it before `carryOut`. */
  settled(result, then) {
    if (typeof result === 'number') this.#waiting.set(result, then);
    else then(result);
  }

  /** Ends everything: nothing is told to the core after it. */
  stop() {
    this.#timer.stop();
    this.#socket?.end();
    this.#core?.free();
    this.#core = undefined;
  }

  /** In order, also when a listener does something to the core from inside an event. */
  carryOut() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#outputs.length > 0) {
      let resolved = false;
      try {
        resolved = this.#one(this.#outputs.shift());
      } catch (error) {
        // Whatever a browser refuses, what comes after it is carried out.
        reportError(error);
      }
      if (resolved) {
        // A promise was resolved: whoever awaits it goes on before anything else happens.
        queueMicrotask(() => {
          this.#busy = false;
          this.carryOut();
        });
        return;
      }
    }
    this.#busy = false;
  }

  /** Whether a promise was resolved. */
  #one(output) {
    const [name, value] = typeof output === 'string' ? [output] : Object.entries(output)[0];
    switch (name) {
      case 'connect':
        this.#connect();
        break;
      case 'disconnect':
        this.#socket?.end('local');
        break;
      case 'transmit':
        this.#socket?.send(value);
        break;
      case 'timeout':
        if (value !== this.#deadline) this.#timer.set(Math.max(0, Math.ceil(value - this.mono())));
        this.#deadline = value;
        break;
      case 'event':
        this.#host.event(value);
        break;
      case 'media': {
        const [callId, command] = value;
        const [kind, parameters] = typeof command === 'string' ? [command] : Object.entries(command)[0];
        this.#host.media(callId, kind, parameters);
        break;
      }
      case 'filterSdp':
        this.run('filtered', value.callId, value.filter, this.#host.filter(value.callId));
        break;
      case 'settled': {
        const [command, refusal] = value;
        const then = this.#waiting.get(command);
        this.#waiting.delete(command);
        then?.(refusal);
        return !!then;
      }
    }
    return false;
  }

  #connect() {
    const server = this.#server;
    const secure = /^wss:/i.test(server);
    let [socket, late, open] = [undefined, undefined, false];
    const connection = {
      send(text) {
        if (open) socket.send(text);
      },
      /** Told to the core once, whoever ends it; without a reason not at all. */
      end: (how, code) => {
        if (this.#socket !== connection) return;
        this.#socket = undefined;
        clearTimeout(late);
        if (socket) {
          socket.onopen = socket.onmessage = socket.onclose = null;
          socket.close();
        }
        if (how) this.run('closed', how, code, server, CONNECTING);
      },
    };
    this.#socket = connection;
    try {
      socket = new WebSocket(server, 'sip');
    } catch {
      // The page's policy forbids it, or it is a secure page and an insecure server.
      queueMicrotask(() => connection.end('failed'));
      return;
    }
    socket.binaryType = 'arraybuffer';
    late = setTimeout(() => connection.end('timeout'), CONNECTING);
    socket.onopen = () => {
      clearTimeout(late);
      if (socket.protocol !== 'sip') return connection.end('handshake');
      open = true;
      this.run('connected', secure);
    };
    socket.onmessage = ({ data }) => {
      this.run('received', typeof data === 'string' ? data : new TextDecoder().decode(data));
    };
    socket.onclose = ({ code }) => connection.end(open ? 'remote' : 'failed', code);
  }
}

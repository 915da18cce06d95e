// Between the core and the browser: does what the core says, in its order, and tells it what happened.

import { ask } from './http.js';
import { CONNECTING, Socket, open } from './socket.js';
import { Clock, Timer } from './timer.js';

const DESTROYED = { code: -200, message: 'UNKNOWN_ERROR', detail: 'the phone was destroyed' };

export class Driver {
  #core;
  #server;
  #clock = new Clock();
  #timer = new Timer(() => {
    this.#deadline = undefined;
    this.run('time');
  });
  #deadline;
  #socket;
  /** Opened before the core asked for it. */
  #ahead;
  /** Of the log-in or the phone's PBX: what requests follow, and those on their way. */
  #base;
  #requests = new Set();
  /** The socket that tells what happens at the PBX. */
  subscription;
  #outputs = [];
  #busy = false;
  /** Who waits for a command, by its number. */
  #waiting = new Map();

  /** `before()` each turn, `event(payload)`, `media(callId, name, command)`, `filter(callId)` → SDP, `pbx(payload)`. */
  host = { before() {} };

  /** Opens the connection while the module is still on its way; closed again when nobody asks for it. */
  openAhead(server) {
    if (!/^wss?:/i.test(server)) return;
    const ahead = (this.#ahead = open(server, 'sip'));
    setTimeout(() => this.#ahead === ahead && this.#shut(), CONNECTING);
  }

  /** Of a phone at `server`. */
  take(core, server) {
    this.#core = core;
    this.#server = server;
    this.#deadline = undefined;
    this.run('time');
  }

  /** Logs in; what `done` says of it. */
  logIn(login) {
    this.#base = login.base();
    return new Promise((resolve) => {
      this.#waiting.set('done', resolve);
      this.take(login);
    });
  }

  /** A getter of the core; `undefined` after the end. */
  read(getter, ...parameters) {
    const text = this.#core?.[getter](...parameters);
    return text && JSON.parse(text);
  }

  /** `[mono, wall]` of the core, ms. */
  now() {
    return this.#clock.now();
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
    this.host.before();
    const [result, outputs] = JSON.parse(this.#core[method](...this.now(), ...parameters));
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

  /** The network is another one: the connection is as good as dead, and is made anew at once. */
  reconnect() {
    this.#socket?.end('failed');
    this.accepts('reRegister');
  }

  /** Ends everything: nothing is told to the core after it. */
  stop() {
    this.#timer.stop();
    this.#shut();
    this.#socket?.end();
    this.subscription?.end();
    for (const abort of this.#requests) abort.abort();
    this.#core?.free();
    this.#core = undefined;
    for (const then of this.#waiting.values()) then(DESTROYED);
    this.#waiting.clear();
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
        this.#socket = this.#connect();
        break;
      case 'disconnect':
        this.#socket?.end('local');
        break;
      case 'transmit':
        this.#socket?.send(value);
        break;
      case 'timeout':
        if (value !== this.#deadline) this.#timer.set(Math.max(0, Math.ceil(value - this.now()[0])));
        this.#deadline = value;
        break;
      case 'event':
        this.host.event(value);
        break;
      case 'media': {
        const [callId, command] = value;
        const [kind, parameters] = typeof command === 'string' ? [command] : Object.entries(command)[0];
        this.host.media(callId, kind, parameters);
        break;
      }
      case 'filterSdp':
        this.run('filtered', value.callId, value.filter, this.host.filter(value.callId));
        break;
      case 'http':
        this.#ask(value);
        break;
      case 'subscription':
        this.#subscribe(...(typeof value === 'string' ? [value] : Object.entries(value)[0]));
        break;
      case 'pbx':
        this.host.pbx(value);
        break;
      case 'settled':
        return this.#settle(...value);
      case 'cdr': {
        const [command, page, refusal] = value;
        return this.#settle(command, refusal, page);
      }
      case 'done':
        return this.#settle('done', value);
    }
    return false;
  }

  #settle(command, ...told) {
    const then = this.#waiting.get(command);
    this.#waiting.delete(command);
    then?.(...told);
    return !!then;
  }

  #connect() {
    const server = this.#server;
    const secure = /^wss:/i.test(server);
    const socket = new Socket(server, 'sip', (what, detail) => {
      if (what === 'text') this.run('received', detail);
      else if (what !== 'open') this.run('closed', what, detail, server, CONNECTING);
      else if (detail === 'sip') this.run('connected', secure);
      else socket.end('handshake');
    }, this.#taken());
    return socket;
  }

  /** What was opened ahead, if it can still be used. */
  #taken() {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead?.readyState <= WebSocket.OPEN ? ahead : undefined;
  }

  #shut() {
    this.#ahead?.close();
    this.#ahead = undefined;
  }

  #subscribe(what, text) {
    if (what === 'send') this.subscription?.send(text);
    else if (what === 'close') this.subscription?.end('local');
    else if (what === 'open') {
      const socket = new Socket(text, [], (what, detail) => {
        if (what !== 'open' && what !== 'text') this.subscription = undefined;
        this.run('subscription', what, what === 'text' ? detail : '');
      });
      this.subscription = socket;
    }
  }

  async #ask({ id, ...request }) {
    const core = this.#core;
    const abort = new AbortController();
    this.#requests.add(abort);
    const answer = await ask(this.#base, request, abort);
    this.#requests.delete(abort);
    // Those of a log-in have the same numbers.
    if (core === this.#core) this.run('http', id, ...answer);
  }
}

// An administrator and an app's back end of the embedded PBX; and a P-Series PBX that says what a test wants.

import { createHash } from 'node:crypto';
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';

/** JSON of the embedded PBX at `url`; a refusal is an error. */
async function json(url, { method = 'GET', body, authorization } = {}) {
  const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (answer.errcode !== 0) throw new Error(`${method} ${url}: ${JSON.stringify(answer)}`);
  return answer;
}

/** What the administrator does: `extensions/1000`, `settings` … */
export function admin(url, method, path, body) {
  return json(`${url}/admin/v1/${path}`, { method, body, authorization: 'Bearer offhook-admin' });
}

/** A login signature, as a back end gets it. */
export async function sign(url, username) {
  const open = `${url}/openapi/v1.0`;
  const { access_token: token } = await json(`${open}/get_token`, { method: 'POST', body: { username: 'offhook', password: 'offhook-secret' } });
  const body = { username, sign_type: 'sdk', expire_time: 0 };
  const signed = await json(`${open}/sign/create?access_token=${token}`, { method: 'POST', body });
  return signed.data.sign;
}

/**
 * Stands before the embedded PBX: what a test does not say otherwise is the PBX's own answer. Subscriptions are its own: they
 * get only what the test tells.
 */
export class PSeries {
  /** Every request: `{method, path, query, headers, body}`. */
  asked = [];
  /** Subscription sockets that are open, each with the `texts` it got, and `at`: when. */
  sockets = [];
  /** The next subscriptions are refused with this status. */
  refuse = 0;
  heartbeats = true;
  /** Whether SIP is let through. */
  sip = true;
  /** Whether a test's own answers let pages of other origins read them. */
  lets = true;
  #answers = new Map();
  #server;
  #pbx;
  #connections = new Set();

  /** `pbx`: `http://host:port` of the embedded one. */
  static async open(pbx) {
    const it = new PSeries();
    it.#pbx = new URL(pbx);
    it.#server = createServer((request, response) => it.#take(request, response).catch((error) => response.destroy(error)));
    it.#server.on('connection', (connection) => it.#keep(connection));
    it.#server.on('upgrade', (request, socket, head) => it.#upgrade(request, socket, head));
    await new Promise((resolve) => it.#server.listen(0, '127.0.0.1', resolve));
    it.url = `http://127.0.0.1:${it.#server.address().port}`;
    return it;
  }

  /**
   * From now on `path` (below /api/v1.0/) is answered with this: an object is JSON with errcode 0 unless it has one, a function
   * changes the PBX's own, a number is a status, `'never'` no answer, `'break'` a connection that breaks, a Buffer the body.
   * `undefined`: the PBX's own again.
   */
  answer(path, answer) {
    this.#answers.set(`/api/v1.0/${path}`, answer);
  }

  /** As at its beginning, but for those that are connected. */
  reset() {
    this.#answers.clear();
    Object.assign(this, { asked: [], refuse: 0, heartbeats: true, sip: true, lets: true });
  }

  /** Every subscription breaks. */
  cut() {
    for (const socket of this.sockets.splice(0)) socket.destroy();
  }

  requests(path) {
    return this.asked.filter((asked) => asked.path === `/api/v1.0/${path}`);
  }

  /** Tells all subscribers. */
  tell(type, msg) {
    this.text(JSON.stringify({ type, msg: JSON.stringify(msg) }));
  }

  text(text) {
    for (const socket of this.sockets) socket.write(frame(text));
  }

  /** Waits for `check` to give something true. */
  async until(check, what = check, timeoutMs = 10_000) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const found = check();
      if (found) return found;
      if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close() {
    for (const connection of this.#connections) connection.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  // --- inside ---

  #keep(connection) {
    this.#connections.add(connection);
    connection.on('error', () => {});
    connection.on('close', () => this.#connections.delete(connection));
  }

  async #take(request, response) {
    const { pathname: path, search: query } = new URL(request.url, this.url);
    const { method, headers } = request;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (method !== 'OPTIONS') this.asked.push({ method, path, query, headers, body: body.length ? JSON.parse(body) : undefined });
    const scripted = method === 'OPTIONS' ? undefined : this.#answers.get(path);
    if (scripted === 'never') return;
    if (scripted === 'break') return request.socket.destroy();
    const cors = { ...(this.lets && { 'access-control-allow-origin': '*' }), 'content-type': 'application/json' };
    if (typeof scripted === 'number') return response.writeHead(scripted, { ...cors, location: '/api/v1.0/elsewhere' }).end();
    if (Buffer.isBuffer(scripted)) return response.writeHead(200, cors).end(scripted);
    if (typeof scripted === 'object') return response.writeHead(200, cors).end(JSON.stringify({ errcode: 0, errmsg: 'SUCCESS', ...scripted }));
    const own = await this.#forward(request, body);
    if (!scripted) return response.writeHead(own.status, own.headers).end(own.body);
    response.writeHead(200, cors).end(JSON.stringify(scripted(JSON.parse(own.body))));
  }

  #forward(request, body) {
    const { hostname, port } = this.#pbx;
    const headers = { ...request.headers, host: `${hostname}:${port}`, connection: 'close' };
    return new Promise((resolve, reject) => {
      const asking = ask({ hostname, port, method: request.method, path: request.url, headers }, async (response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const { 'transfer-encoding': _, connection: __, ...kept } = response.headers;
        resolve({ status: response.statusCode, headers: kept, body: Buffer.concat(chunks) });
      });
      asking.on('error', reject);
      asking.end(body);
    });
  }

  #upgrade(request, socket, head) {
    this.#keep(socket);
    if (!request.url.startsWith('/api/')) return this.#pass(request, socket, head);
    const { pathname: path, search: query } = new URL(request.url, this.url);
    this.asked.push({ method: 'GET', path, query, headers: request.headers });
    if (this.refuse) return socket.end(`HTTP/1.1 ${this.refuse} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade';
    socket.write(`${upgraded}\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
    Object.assign(socket, { texts: [], at: [] });
    this.sockets.push(socket);
    // Of node's HTTP server, a connection that the other side ends stays open on this one: so does one that a page gave up.
    socket.on('end', () => socket.end());
    socket.on('close', () => (this.sockets = this.sockets.filter((other) => other !== socket)));
    let data = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk]);
      for (let message; (message = unframe(data)); data = data.subarray(message.length)) {
        if (message.opcode === 8) socket.end();
        if (message.opcode !== 1) continue;
        socket.texts.push(message.text);
        socket.at.push(Date.now());
        if (message.text === 'heartbeat' && this.heartbeats) socket.write(frame('heartbeat response'));
        if (message.text.startsWith('{')) socket.write(frame('{"errcode":0,"errmsg":"SUCCESS"}'));
      }
    });
  }

  /** SIP is the PBX's. */
  #pass(request, socket, head) {
    if (!this.sip) return socket.destroy();
    const { hostname, port } = this.#pbx;
    const other = connect(port, hostname);
    this.#keep(other);
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let n = 0; n < request.rawHeaders.length; n += 2) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
    other.write(`${lines.join('\r\n')}\r\n\r\n`);
    other.write(head);
    other.pipe(socket).on('close', () => other.destroy());
    socket.pipe(other).on('close', () => socket.destroy());
  }
}

/** A text frame of a server (RFC 6455 §5.2). */
function frame(text) {
  const data = Buffer.from(text);
  const head = data.length < 126 ? [0x81, data.length] : [0x81, 126, data.length >> 8, data.length & 255];
  return Buffer.concat([Buffer.from(head), data]);
}

/** The first frame of a client, if it is whole. */
function unframe(data) {
  if (data.length < 6) return undefined;
  let [at, size] = [2, data[1] & 127];
  if (size === 126) [at, size] = [4, data.length >= 4 ? data.readUInt16BE(2) : Infinity];
  const length = at + 4 + size;
  if (data.length < length) return undefined;
  const mask = data.subarray(at, at + 4);
  const text = Buffer.from(data.subarray(at + 4, length).map((byte, n) => byte ^ mask[n % 4])).toString();
  return { opcode: data[0] & 15, text, length };
}

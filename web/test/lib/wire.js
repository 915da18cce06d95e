// SIP between a page and the embedded PBX, where a test can look at it, change it, and say something itself.

import { createServer } from 'node:http';
import { connect } from 'node:net';

/** Of branches and tags that are the test's own: what belongs to them does not go on to the PBX. */
const OURS = 'z9hG4bKwire';

export class Wire {
  /** All messages of the page and for it, in order: `{at, from: 'page' | 'pbx' | 'test', text}`, `at` in ms. */
  log = [];
  /** `down(text)`: what the page gets instead of this message of the PBX; `undefined`: nothing. `up(text)`: likewise the PBX. */
  down = (text) => text;
  up = (text) => text;
  /** No connection is let in. */
  closed = false;
  #server;
  #sockets = new Set();
  #page;
  #count = 0;

  /** `ws`: where the PBX is. */
  static async open(ws) {
    const wire = new Wire();
    const pbx = new URL(ws);
    wire.#server = createServer();
    wire.#server.on('upgrade', (request, socket, head) => wire.#between(pbx, request, socket, head));
    await new Promise((resolve) => wire.#server.listen(0, '127.0.0.1', resolve));
    wire.url = `ws://127.0.0.1:${wire.#server.address().port}${pbx.pathname}`;
    return wire;
  }

  /** As at its beginning, without a connection. */
  reset() {
    this.cut();
    Object.assign(this, { log: [], down: (text) => text, up: (text) => text, closed: false });
  }

  /** Every connection breaks. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What the page sent, of this method (or this status of an answer), as texts. */
  sent(start) {
    return this.log.filter(({ from, text }) => from === 'page' && begins(text, start)).map(({ text }) => text);
  }

  /** The first such message after the mark, past or to come. */
  async seen(start, { after = 0, fits = () => true, from = 'page', timeoutMs = 10_000 } = {}) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const found = this.log.slice(after).find((entry) => entry.from === from && begins(entry.text, start) && fits(entry.text));
      if (found) return found.text;
      if (Date.now() > end) throw new Error(`no ${start} from ${from}; since the mark:\n${this.log.slice(after).map(({ from, text }) => `${from}: ${text.split('\r\n')[0]}`).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  mark() {
    return this.log.length;
  }

  /** The page gets this text. */
  say(text) {
    this.log.push({ at: Date.now(), from: 'test', text });
    this.#page.write(frame(text));
  }

  /**
   * Sends the page a request in its present call, as the far end would; gives the page's final answer. An INVITE is acknowledged.
   * `sdp(theirs)` makes a body of what the far end described last.
   */
  async request(method, { headers = [], body = '', type, sdp } = {}) {
    const { contact, local, remote, callId, described } = this.#dialog();
    const content = sdp ? sdp(described) : body;
    const number = 5_000 + ++this.#count;
    const make = (method) => {
      const kind = sdp ? 'application/sdp' : type;
      const lines = [
        `${method} ${contact} SIP/2.0`,
        `Via: SIP/2.0/WS wire.invalid;branch=${OURS}${number}${method === 'ACK' ? 'a' : ''}`,
        'Max-Forwards: 70', `From: ${remote}`, `To: ${local}`, `Call-ID: ${callId}`, `CSeq: ${number} ${method}`,
        'Contact: <sip:pbx@wire.invalid;transport=ws>',
      ];
      if (method !== 'ACK') lines.push(...headers);
      const inside = method === 'ACK' ? '' : content;
      if (inside && kind) lines.push(`Content-Type: ${kind}`);
      return `${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(inside)}\r\n\r\n${inside}`;
    };
    const after = this.mark();
    this.say(make(method));
    const fits = (text) => header(text, 'CSeq') === `${number} ${method}` && !/^SIP\/2\.0 1/.test(text);
    const answer = await this.seen('SIP/2.0', { after, fits });
    if (method === 'INVITE' && status(answer) < 300) this.say(make('ACK'));
    return answer;
  }

  // --- inside ---

  /** Of the call that was confirmed last. */
  #dialog() {
    const accepted = this.log.findLast(({ text }) => status(text) === 200 && /INVITE$/.test(header(text, 'CSeq')));
    const same = (text) => header(text, 'Call-ID') === header(accepted.text, 'Call-ID');
    const invite = this.log.find(({ text }) => begins(text, 'INVITE') && same(text));
    // Whose tag is which, the first INVITE and its answer tell.
    const first = this.log.find(({ text }) => status(text) === 200 && /INVITE$/.test(header(text, 'CSeq')) && same(text));
    const [from, to] = [header(first.text, 'From'), header(first.text, 'To')];
    const outbound = invite.from === 'page';
    const [own, theirs] = outbound ? [invite, first] : [first, invite];
    const bodies = this.log.filter(({ from, text }) => from !== 'page' && same(text) && /\r\n\r\nv=0/.test(text));
    return {
      contact: /<([^>]*)>/.exec(header(own.text, 'Contact'))[1],
      local: outbound ? from : to,
      remote: outbound ? to : from,
      callId: header(first.text, 'Call-ID'),
      described: (bodies.at(-1) ?? theirs).text.split('\r\n\r\n')[1],
    };
  }

  #between(pbx, request, page, head) {
    if (this.closed) return page.end('HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const other = connect(Number(pbx.port), pbx.hostname);
    for (const socket of [page, other]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        page.destroy();
        other.destroy();
      });
    }
    this.#page = page;
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let n = 0; n < request.rawHeaders.length; n += 2) {
      // Compressed it could not be read.
      if (!/^sec-websocket-extensions$/i.test(request.rawHeaders[n])) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
    }
    other.write(`${lines.join('\r\n')}\r\n\r\n`);
    const fromPage = reader((text) => this.#up(text, page, other), (raw) => other.write(raw));
    const fromPBX = reader((text) => this.#down(text, page), (raw) => page.write(raw));
    page.on('data', fromPage);
    fromPage(head);
    let answered = Buffer.alloc(0);
    other.on('data', (data) => {
      if (!answered) return fromPBX(data);
      answered = Buffer.concat([answered, data]);
      const end = answered.indexOf('\r\n\r\n') + 4;
      if (end < 4) return;
      page.write(answered.subarray(0, end));
      const rest = answered.subarray(end);
      answered = undefined;
      fromPBX(rest);
    });
  }

  #up(text, page, other) {
    this.log.push({ at: Date.now(), from: 'page', text });
    // Answers to the test, and what belongs to a call that it has refused.
    if (/^SIP\/2\.0/.test(text) && header(text, 'Via').includes(OURS)) return;
    const answered = this.up(text);
    if (answered) other.write(frame(answered, true));
  }

  #down(text, page) {
    const got = this.down(text);
    if (got === undefined) return;
    this.log.push({ at: Date.now(), from: 'pbx', text: got });
    page.write(frame(got));
  }
}

/** The first such header's value. */
export function header(text, name) {
  return new RegExp(`^${name}: *(.*?)\\r?$`, 'im').exec(text.split('\r\n\r\n')[0])?.[1] ?? '';
}

/** Of an answer; 0: it is a request. */
export function status(text) {
  return Number(/^SIP\/2\.0 (\d+)/.exec(text)?.[1] ?? 0);
}

/** The message with one more header. */
export function withHeader(text, line) {
  return text.replace('\r\n', `\r\n${line}\r\n`);
}

/** The message with this body. */
export function withBody(text, body) {
  const head = text.split('\r\n\r\n')[0].replace(/^Content-Length:.*$/im, `Content-Length: ${Buffer.byteLength(body)}`);
  return `${body ? head : head.replace(/^Content-Type:.*\r\n/im, '')}\r\n\r\n${body}`;
}

/** An answer to a request. `tag`: of our side, in a dialog that is new. */
export function answer(request, status, headers = [], tag = 'wire') {
  const to = header(request, 'To');
  const lines = [
    `SIP/2.0 ${status} Said by a test`,
    ...request.split('\r\n\r\n')[0].split('\r\n').filter((line) => /^via:/i.test(line)),
    `From: ${header(request, 'From')}`,
    `To: ${/;tag=/.test(to) ? to : `${to};tag=${tag}`}`,
    `Call-ID: ${header(request, 'Call-ID')}`,
    `CSeq: ${header(request, 'CSeq')}`,
    ...headers,
    'Content-Length: 0',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function begins(text, start) {
  return text.startsWith(`${start} `);
}

/** Takes the data of a socket: `take` gets each text message, `pass` any other frame. */
function reader(take, pass) {
  let data = Buffer.alloc(0);
  return (chunk) => {
    data = Buffer.concat([data, chunk]);
    for (let read; (read = unframe(data)); data = data.subarray(read.length)) {
      if (read.opcode === 1) take(read.text);
      else pass(Buffer.from(data.subarray(0, read.length)));
    }
  };
}

/** A text frame (RFC 6455 §5.2); a client's is masked, here with nothing. */
function frame(text, masked = false) {
  const data = Buffer.from(text);
  const mask = masked ? 128 : 0;
  const head = data.length < 126 ? [0x81, mask | data.length] : [0x81, mask | 126, data.length >> 8, data.length & 255];
  return Buffer.concat([Buffer.from(head), ...(masked ? [Buffer.alloc(4)] : []), data]);
}

/** The first frame, if it is whole. */
function unframe(data) {
  if (data.length < 2) return undefined;
  let [at, size] = [2, data[1] & 127];
  if (size === 126) [at, size] = [4, data.length >= 4 ? data.readUInt16BE(2) : Infinity];
  if (size === 127) throw new Error('a message of 64 KiB or more');
  const masked = data[1] >= 128;
  const begin = at + (masked ? 4 : 0);
  const length = begin + size;
  if (data.length < length) return undefined;
  const text = masked ? data.subarray(begin, length).map((byte, n) => byte ^ data[at + (n % 4)]) : data.subarray(begin, length);
  return { opcode: data[0] & 15, text: Buffer.from(text).toString(), length };
}

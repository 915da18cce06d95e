// The life of a page: reloaded, left, out of the cache, on another network, in two tabs.

import assert from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, subscribed, until } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

const KEPT = { keepCalls: true };

/** Two pages that talk, the one saying 440 Hz and the other 880. */
async function talk(config = KEPT) {
  const [page, other] = [await scene.phone('1000', config), await scene.phone('1001')];
  await other.evaluate(() => softphone.say(880));
  await page.evaluate(() => softphone.call('1001'));
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer());
  await happened(page, 'confirmed');
  await hearTone(page, 880);
  await hearTone(other, 440);
  return [page, other];
}

async function reload(page) {
  await page.reload();
  await page.waitForFunction(() => window.softphone !== undefined);
}

const register = (page, config = KEPT) => page.evaluate((config) => softphone.register(config), { ...scene.account('1000'), ...config });
const names = async (page) => (await journal(page)).map(({ name }) => name);

test('a page that is reloaded goes on with its call', async () => {
  const [page, other] = await talk();
  const callId = await page.evaluate(() => softphone.last.callId);
  await page.evaluate(() => softphone.last.setStaticStatus({ name: 'Bea' }, true));
  await until(page, () => softphone.last.timer.callDuration >= 2);
  await reload(page);
  assert.doesNotMatch(await page.evaluate(() => Object.values(sessionStorage).join()), /secret/);
  assert.equal((await register(page)).code, 200);
  await happened(page, 'reconnected');
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith('offhook'))), []);
  const told = (await names(page)).filter((name) => !['icecandidate', 'updateTimer', 'callReport'].includes(name));
  const begun = ['newRTCSession', 'startSession', 'peerconnection', 'reconnecting', 'connected', 'registered'];
  assert.deepEqual(told.slice(0, begun.length), begun);
  const now = await page.evaluate(() => ({ ...softphone.last.status, callDuration: softphone.last.timer.callDuration }));
  assert.deepEqual([now.callId, now.name, now.number, now.callStatus, now.isHold], [callId, 'Bea', '1001', 'talking', false]);
  assert.ok(now.callDuration >= 2, JSON.stringify(now));
  await hearTone(page, 880);
  await hearTone(other, 440);
  assert.equal((await names(other)).includes('ended'), false);

  // Once more, and both ends command it.
  await reload(page);
  await register(page);
  await happened(page, 'reconnected');
  await page.evaluate(() => softphone.last.hold());
  await until(page, () => softphone.last.status.isHold);
  await other.evaluate(() => softphone.last.hangup());
  assert.equal((await happened(page, 'ended')).payload[0].cause, 'Terminated');
  await until(page, () => softphone.left().connections === 0);
});

test('a page that is reloaded again before it has its microphone goes on with its call all the same', async () => {
  const [page, other] = await talk();
  await reload(page);
  await page.evaluate((config) => {
    const asked = new Promise((resolve) => {
      navigator.mediaDevices.getUserMedia = () => new Promise(resolve);
    });
    softphone.register(config);
    return asked;
  }, { ...scene.account('1000'), ...KEPT });
  await reload(page);
  assert.equal((await register(page)).code, 200);
  await happened(page, 'reconnected');
  await hearTone(page, 880);
  assert.equal((await names(other)).includes('ended'), false);
});

test('calls that cannot go on after a reload are ended', async () => {
  // The microphone is refused now.
  let [page, other] = await talk();
  await reload(page);
  await page.evaluate(() => softphone.refuse('NotAllowedError', 'Permission denied'));
  await register(page);
  assert.equal((await happened(other, 'ended')).payload[0].cause, 'Terminated');
  assert.equal(await page.evaluate(() => softphone.sessions.length), 0);
  await scene.clear();

  // It took too long.
  [page, other] = await talk();
  await reload(page);
  await page.evaluate(() => {
    const [key] = Object.keys(sessionStorage).filter((key) => key.startsWith('offhook'));
    const old = (text) => text.replace(/\d{13}/, (at) => at - 21_000);
    sessionStorage.setItem(key, old(sessionStorage.getItem(key)));
  });
  await register(page);
  assert.equal((await happened(other, 'ended')).payload[0].cause, 'Terminated');
  await scene.clear();

  // It was not asked for; and what rings is not kept.
  [page, other] = await talk({});
  await reload(page);
  assert.equal((await happened(other, 'ended')).payload[0].cause, 'Terminated');
  await scene.clear();
  [page, other] = [await scene.phone('1000', KEPT), await scene.phone('1001')];
  await page.evaluate(() => softphone.call('1001'));
  await happened(other, 'incoming');
  await reload(page);
  assert.equal((await happened(other, 'failed')).payload[0].cause, 'Canceled');
});

test('a microphone that is given too late for the call of before the reload is let go', async () => {
  const late = [[() => softphone.sleep(21), 200, 'ended'], [() => void phone.destroy(), -200], [() => void phone.disconnect(), -200]];
  for (const [act, code, hears] of late) {
    const [page, other] = await talk();
    await reload(page);
    const registered = await page.evaluateHandle((config) => {
      softphone.sleeps();
      const { mediaDevices } = navigator;
      const open = mediaDevices.getUserMedia;
      const asked = new Promise((resolve) => {
        mediaDevices.getUserMedia = async (constraints) => {
          await new Promise((give) => resolve((window.give = give)));
          return (window.given = await open.call(mediaDevices, constraints));
        };
      });
      const registered = softphone.register(config);
      return asked.then(() => ({ registered }));
    }, { ...scene.account('1000'), ...KEPT });
    await page.evaluate(act);
    await page.evaluate(() => give());
    assert.equal((await registered.evaluate(({ registered }) => registered)).code, code);
    assert.deepEqual(await page.evaluate(() => given.getTracks().map(({ readyState }) => readyState)), ['ended']);
    assert.equal(await page.evaluate(() => softphone.sessions.length), 0);
    if (hears) await happened(other, hears);
    await scene.clear();
  }
});

test('a page that is told to stop while it comes back to its calls asks for no microphone', async () => {
  for (const [verb, before] of [['disconnect'], ['destroy'], ['destroy', true]]) {
    const config = { ...scene.account('1000'), ...KEPT, oneTab: !before };
    const [page] = await talk(config);
    await reload(page);
    const { code, asked } = await page.evaluate(async ([config, verb, before]) => {
      let asked = false;
      navigator.mediaDevices.getUserMedia = async () => (asked = true);
      await softphone.make(config);
      if (before) await phone[verb]();
      const started = phone.start();
      await phone[verb]();
      return { ...(await started), asked };
    }, [config, verb, before]);
    assert.deepEqual({ code, asked }, { code: -200, asked: false }, verb);
    await scene.clear();
  }

  // With two calls, the second is not asked for when it is told so at the first.
  const [page] = await talk();
  const third = await scene.phone('1002');
  await page.evaluate(() => softphone.call('1002'));
  await happened(third, 'incoming');
  await third.evaluate(() => softphone.answer());
  await happened(third, 'confirmed');
  await until(page, () => softphone.sessions.every(({ status }) => status.callStatus === 'talking'));
  await reload(page);
  const asked = await page.evaluate(async (config) => {
    await softphone.make(config);
    let asked = 0;
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia;
    mediaDevices.getUserMedia = (constraints) => {
      if (++asked === 1) phone.disconnect();
      return open.call(mediaDevices, constraints);
    };
    await phone.start();
    return asked;
  }, { ...scene.account('1000'), ...KEPT });
  assert.equal(asked, 1);
});

test('a call with video that is reloaded', async () => {
  const [page, other] = [await scene.phone('1000', KEPT), await scene.phone('1001')];
  await page.evaluate(() => softphone.call('1001', { video: true }));
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer({ video: true }));
  // Only a call that is there for both is kept.
  await happened(page, 'confirmed');
  await until(page, async () => (await softphone.videoStats()).decoded > 5);
  await reload(page);
  await register(page);
  await happened(page, 'reconnected');
  await until(page, async () => (await softphone.videoStats()).decoded > 5);
  for (const one of [page, other]) {
    // A key frame has to come first.
    await until(one, async () => (await softphone.picture()).moved > 0.001);
    assert.equal(await one.evaluate(() => softphone.last.status.isVideo), true);
  }
});

test('a page that goes into the cache is unregistered, and registers when it comes back', async () => {
  const page = await scene.phone('1000');
  /** Gives the journal's mark after it. */
  const pass = (...names) => page.evaluate((names) => {
    for (const name of names) dispatchEvent(new PageTransitionEvent(name, { persisted: true }));
    return softphone.journal.mark();
  }, names);
  let after = await pass('pagehide');
  await happened(page, 'disconnected', { after });
  after = await pass('pageshow');
  await happened(page, 'registered', { after });
  // Also when it was not closed yet.
  after = await pass('pagehide', 'pageshow');
  await happened(page, 'registered', { after });
  // Not if it has gone again meanwhile.
  after = await pass('pagehide', 'pageshow', 'pagehide');
  await happened(page, 'disconnected', { after });
  assert.deepEqual(await page.evaluate(() => softphone.sockets().filter((state) => state < WebSocket.CLOSING)), []);
  await pass('pageshow');
  await happened(page, 'registered', { after });
  // One that was never started stays so.
  await page.evaluate(() => phone.disconnect());
  await pass('pageshow');
  assert.equal(await page.evaluate(() => phone.isRegistered), false);
});

test('on another network the call gets another path', async () => {
  const [page, other] = await talk({});
  const ufrag = () => page.evaluate(() => /a=ice-ufrag:(\S+)/.exec(softphone.last.RTCSession.localSdp)[1]);
  const before = await ufrag();
  const mark = await page.evaluate(() => softphone.journal.mark());
  await page.evaluate(() => dispatchEvent(new Event('offline')));
  await happened(page, 'disconnected', { after: mark });
  // At once, and not when the connection that is being made has failed.
  const opened = await page.evaluate(() => {
    const before = softphone.sockets().length;
    dispatchEvent(new Event('online'));
    return softphone.sockets().length - before;
  });
  assert.equal(opened, 1);
  await happened(page, 'reconnecting', { after: mark });
  await happened(page, 'reconnected', { after: mark });
  assert.notEqual(await ufrag(), before);
  await hearTone(page, 880);
  await hearTone(other, 440);
});

test('a path that has failed is looked for anew', async () => {
  const [page] = await talk({});
  const ufrag = () => page.evaluate(() => /a=ice-ufrag:(\S+)/.exec(softphone.last.RTCSession.localSdp)[1]);
  const before = await ufrag();
  await page.evaluate(() => {
    const { connection } = softphone.last.RTCSession;
    Object.defineProperty(connection, 'iceConnectionState', { value: 'failed', configurable: true });
    connection.dispatchEvent(new Event('iceconnectionstatechange'));
    delete connection.iceConnectionState;
  });
  await happened(page, 'warningMessage');
  await page.waitForFunction((before) => !softphone.last.RTCSession.localSdp.includes(before), before);
  await hearTone(page, 880);
});

test('a server that says nothing any more is left, also when its connection stays open', async () => {
  const { port } = new URL(scene.ws);
  const through = new Set();
  // A text of one line break, of the server's (RFC 5626 §3.5.1, RFC 6455 §5.2).
  const PONG = Buffer.from([0x81, 2, 13, 10]);
  let answered;
  const pong = new Promise((resolve) => (answered = resolve));
  const proxy = createServer((client) => {
    const server = connect(Number(port), '127.0.0.1');
    through.add(client.pipe(server)).add(server.pipe(client));
    server.on('data', (data) => data.includes(PONG) && answered(true));
    for (const socket of [client, server]) socket.on('error', () => {});
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const server = scene.ws.replace(port, proxy.address().port);
    const page = await scene.phone('1000', { server });
    // It has answered a keep-alive once.
    const mark = await page.evaluate(() => softphone.journal.mark());
    const late = new Promise((resolve) => setTimeout(resolve, 40_000, false).unref());
    assert.ok(await Promise.race([pong, late]));
    for (const socket of through) socket.pause().unpipe();
    await happened(page, 'disconnected', { after: mark, timeoutMs: 60_000 });
    await happened(page, 'registered', { after: mark, timeoutMs: 20_000 });
  } finally {
    for (const socket of through) socket.destroy();
    proxy.close();
  }
});

test('of two tabs one registers, and the other when that is gone', async () => {
  const first = await scene.page();
  const config = { ...scene.account('1000'), oneTab: true, keepCalls: true };
  assert.equal((await first.evaluate((config) => softphone.register(config), config)).code, 200);
  const second = await first.context().newPage();
  await second.goto(scene.url);
  await second.waitForFunction(() => window.softphone !== undefined);
  const { code, message } = await second.evaluate((config) => softphone.register(config), config);
  assert.deepEqual([code, message], [100, 'STANDBY']);
  await happened(second, 'standby');
  assert.equal(await second.evaluate(() => phone.isRegistered), false);

  // A reload with a call does not lose it to the tab that waits.
  const other = await scene.phone('1001');
  await first.evaluate(() => softphone.call('1001'));
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer());
  await happened(first, 'confirmed');
  await reload(first);
  await first.evaluate((config) => softphone.register(config), config);
  await happened(first, 'reconnected');
  await hearTone(first, 440);
  await until(second, () => !phone.isRegistered);
  await first.evaluate(() => softphone.last.hangup());

  const mark = await second.evaluate(() => softphone.journal.mark());
  await first.close();
  await happened(second, 'active', { after: mark });
  await happened(second, 'registered', { after: mark });
  await other.evaluate(() => softphone.call('1000'));
  await happened(second, 'incoming');
});

test('a tab that is told to stop before it is the phone is none, and is in no other tab\'s way', async () => {
  const config = { ...scene.account('1000'), oneTab: true };
  const first = await scene.page();
  const tab = async () => {
    const page = await first.context().newPage();
    await page.goto(scene.url);
    await page.waitForFunction(() => window.softphone !== undefined);
    await page.evaluate((config) => void softphone.make(config), config);
    await until(page, () => window.phone);
    return page;
  };
  const stopped = { code: -200, message: 'UNKNOWN_ERROR', detail: 'the phone was stopped' };
  for (const verb of ['disconnect', 'destroy']) {
    const page = await tab();
    assert.deepEqual(await page.evaluate(async (verb) => {
      const started = phone.start();
      await phone[verb]();
      return started;
    }, verb), stopped);
    const { held, pending } = await page.evaluate(() => navigator.locks.query());
    assert.deepEqual([held, pending], [[], []], verb);
    assert.deepEqual(await page.evaluate(() => softphone.sockets()), []);
    await page.close();
  }

  assert.equal((await first.evaluate((config) => softphone.register(config), config)).code, 200);
  const [second, third] = [await tab(), await tab()];
  const start = (page) => page.evaluate(async () => (await phone.start()).message);
  assert.equal(await start(second), 'STANDBY');
  // Again changes nothing.
  for (const page of [third, third]) assert.equal(await start(page), 'STANDBY');
  await second.evaluate(() => phone.disconnect());
  await first.close();
  await happened(third, 'registered');
  assert.deepEqual(await names(second), ['standby']);

  // Who hears that its turn has come may not want it any more.
  assert.equal(await start(second), 'STANDBY');
  const heard = await second.evaluateHandle(() => {
    const heard = new Promise((resolve) => phone.on('active', () => resolve(phone.disconnect())));
    return { heard };
  });
  assert.equal((await third.evaluate(() => phone.disconnect())).code, 200);
  assert.deepEqual((await names(third)).filter((name) => /standby|active/.test(name)), ['standby', 'standby', 'active']);
  await third.evaluate(() => phone.destroy());
  await heard.evaluate(({ heard }) => heard);
  assert.deepEqual(await second.evaluate(() => softphone.sockets()), []);
});

/** A page that is logged in; more tabs of its browser; and `init` in one of them. */
async function tabs() {
  const params = await scene.params('1000');
  const first = await scene.operator('1000', { oneTab: true });
  const tab = async () => {
    const page = await first.context().newPage();
    await page.goto(scene.url);
    await page.waitForFunction(() => window.softphone !== undefined);
    return page;
  };
  /** What `init` came to, in the page's `window.came`; `window.waited` once it had to wait. */
  const init = (page, steal = false) =>
    page.evaluate(([params, steal]) => {
      window.patience = new AbortController();
      window.came = undefined;
      const oneTab = { steal, waits: () => (window.waited = true), signal: patience.signal };
      softphone.init({ ...params, oneTab }).then((refused) => (window.came = { refused }));
    }, [params, steal]);
  return { first, tab, init };
}

test('of two tabs one logs in: the other waits, takes its place, or gives up waiting', async () => {
  const { first, tab, init } = await tabs();
  const second = await tab();
  await init(second);
  await until(second, () => window.waited);
  // Its log-in would have ended the first one's.
  await first.evaluate(() => softphone.call('600'));
  await happened(first, 'confirmed');
  assert.deepEqual((await names(first)).filter((name) => /standby|runtimeError/.test(name)), []);
  assert.equal(await second.evaluate(() => window.came), undefined);

  await second.evaluate(() => patience.abort(new Error('no longer wanted')));
  await until(second, () => window.came);
  assert.match(JSON.stringify(await second.evaluate(() => window.came)), /no longer wanted/);

  await init(second, true);
  await happened(first, 'standby');
  assert.deepEqual(await until(second, () => window.came), { refused: null });
  assert.equal((await second.evaluate(() => phone.start())).code, 200);
  await first.evaluate(() => destroy());

  // Now the first one waits, until the second is gone.
  await first.evaluate(() => (window.waited = false));
  await init(first);
  await until(first, () => window.waited);
  await second.evaluate(() => destroy());
  assert.deepEqual(await until(first, () => window.came), { refused: null });
  assert.equal((await first.evaluate(() => phone.start())).code, 200);
});

test('a tab that waits does not undo that the user logged in elsewhere', async () => {
  const { first, tab, init } = await tabs();
  await subscribed(first);
  const second = await tab();
  await init(second);
  await until(second, () => window.waited);
  const elsewhere = await scene.operator('1000');
  await subscribed(elsewhere);
  assert.equal((await happened(first, 'runtimeError')).payload[0].code, -107);
  const { refused } = await until(second, () => window.came);
  assert.deepEqual([refused.code, refused.message, refused.isError], [-107, 'LOGGED_IN_ELSEWHERE', true]);
  assert.ok(refused.detail);
  assert.deepEqual((await names(elsewhere)).filter((name) => name === 'runtimeError'), []);

  // The user wants it here after all.
  await init(second);
  assert.deepEqual(await until(second, () => window.came), { refused: null });
  assert.equal((await happened(elsewhere, 'runtimeError')).payload[0].code, -107);

  // That one tab logs in instead of another is none of it.
  await subscribed(second);
  const third = await tab();
  await init(third);
  await until(third, () => window.waited);
  await init(first, true);
  assert.deepEqual(await until(first, () => window.came), { refused: null });
  assert.equal((await happened(second, 'runtimeError')).payload[0].code, -107);
  await first.evaluate(() => destroy());
  assert.deepEqual(await until(third, () => window.came), { refused: null });
});

test('a phone handles no errors of its page and sends nothing of it anywhere', async () => {
  const page = await scene.page();
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket));
  const sent = [];
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(String(payload))));
  await page.evaluate(() => {
    document.title = 'secret-title';
    document.body.textContent = 'secret-content';
    document.cookie = 'secret-cookie=1';
    navigator.sendBeacon = () => {
      throw new Error('a beacon');
    };
  });
  await register(page, {});
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const handlers = await page.evaluate(async () => {
    const seen = [window.onerror, window.onunhandledrejection];
    // Errors of the page are the page's.
    const heard = new Promise((resolve) => addEventListener('unhandledrejection', (event) => (event.preventDefault(), resolve(event.reason.message)), { once: true }));
    Promise.reject(new Error('secret-error'));
    return [...seen, await heard];
  });
  assert.deepEqual(handlers, [null, null, 'secret-error']);
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  await page.evaluate(() => phone.destroy());
  assert.deepEqual(asked.filter((url) => !url.startsWith(scene.url) && !url.startsWith('blob:')), []);
  assert.deepEqual(sockets.map((socket) => socket.url()), [scene.ws]);
  assert.ok(sent.some((text) => text.startsWith('INVITE')));
  assert.deepEqual(sent.filter((text) => /secret-(title|content|cookie|error)/.test(text)), []);
});

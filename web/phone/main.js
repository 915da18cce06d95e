// Log-in, a tab that waits, or the phone: what is on the page, and nothing else.

import { Calls } from './calls.js';
import { connect } from './connect.js';
import { el } from './dom.js';
import { isFaulty, ofLogin } from './errors.js';
import { login } from './kept.js';
import { createLogin } from './login.js';
import { createPhoneView } from './phone-view.js';
import { Sound } from './sound.js';
import { texts } from './texts.js';
import { createWaiting } from './waiting.js';

/** The log-in of the page before this one, if that had calls. */
const carried = login.carried();
const app = document.getElementById('app');
const sound = new Sound();
let calls;

/** Shows the log-in, with what was wrong before. */
function showLogin(before) {
  document.title = texts.name;
  const view = createLogin((account, keep) => enter(account, keep, view.element), before);
  app.replaceChildren(view.element);
  view.focus();
}

/** `form`: where it was asked for. */
async function enter(account, keep, form) {
  // In the click: later, a browser would allow no sound.
  sound.unlock();
  removeEventListener('pagehide', carryOn);
  if (keep) login.keep(account);
  try {
    await show(account);
  } catch (failure) {
    // It is wanted in this tab after all, and goes on there.
    if (failure.name === 'AbortError') return;
    login.forget();
    if (form.isConnected) throw failure;
    // The form went while this tab waited for another.
    showLogin({ user: account.user, error: ofLogin(failure) });
  }
}

/** `steal`: this tab is the phone now, whatever others are. */
async function show(account, steal = false) {
  let connection;
  let displaced = false;
  const turn = { steal, waits: () => showWaiting(account), signal: waiting.signal };
  const made = (phone) => {
    document.getElementById('waiting-title')?.closest('main').replaceWith(busy());
    calls = new Calls(phone);
    phone.on('standby', () => {
      displaced = true;
      if (connection) give(account, connection);
    });
  };
  try {
    connection = await connect(account, turn, made);
  } catch (failure) {
    if (displaced) return enterAgain(account);
    throw failure;
  }
  if (displaced) return give(account, connection);
  const left = (error) => {
    connection.end();
    leave(account, error);
  };
  // For the page after this one, if this one is being reloaded in a call: it may be asked for no password then.
  const carry = () => calls.all.length > 0 && login.carry(account);
  addEventListener('pagehide', carry);
  const view = createPhoneView({ ...connection, calls, user: account.user, sound, left });
  connection.end = () => {
    removeEventListener('pagehide', carry);
    view.end();
  };
  app.replaceChildren(view.element);
  view.focus();
}

let waiting = new AbortController();

function showWaiting(account) {
  document.title = texts.name;
  const here = () => {
    sound.unlock();
    waiting.abort();
    waiting = new AbortController();
    enterAgain(account, true);
  };
  const view = createWaiting(account.user, here);
  app.replaceChildren(view.element);
  view.focus();
}

/** Another tab is the phone now. Its log-in has ended ours, or will: there is nothing to log out of. */
async function give(account, connection) {
  connection.end?.();
  quiet();
  await connection.destroy();
  enterAgain(account);
}

/** Settled when there is a phone, or none: `true` if the next page of this tab may try again. */
function enterAgain(account, steal) {
  return show(account, steal).catch((failure) => {
    if (failure.name === 'AbortError') return;
    const again = !isRefused(failure);
    if (!again) login.forget();
    showLogin({ user: account.user, error: ofLogin(failure) });
    return again;
  });
}

/** Reloaded before the phone is there, the page has no calls to show for it: they still wait for the one after it. */
function carryOn() {
  // Those that it has got are kept anew.
  login.carry(carried.account, calls?.all.length > 0 ? Date.now() : carried.at);
}

/** With each reload it would be refused again, or end the log-in of another place. */
function isRefused(failure) {
  const { code, detail } = failure;
  return code <= -103 && code >= -110 && !/too many/.test(detail) && !isFaulty(failure);
}

function quiet() {
  sound.hear([]);
  sound.ring(null);
}

function leave({ user }, error) {
  login.forget();
  quiet();
  showLogin(error ? { user, error } : undefined);
}

function busy() {
  return el('main', { class: 'login' }, el('p', { class: 'soft', role: 'status' }, texts.login.busy));
}

const kept = carried?.account ?? login.kept();
if (carried) addEventListener('pagehide', carryOn);
if (kept) {
  app.replaceChildren(busy());
  enterAgain(kept).then((again) => again || removeEventListener('pagehide', carryOn));
} else {
  showLogin();
}

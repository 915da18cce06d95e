// Log-in or phone: what is on the page, and nothing else.

import { connect } from './connect.js';
import { el } from './dom.js';
import { ofLogin } from './errors.js';
import { login } from './kept.js';
import { createLogin } from './login.js';
import { createPhoneView } from './phone-view.js';
import { Sound } from './sound.js';
import { texts } from './texts.js';

const app = document.getElementById('app');
const sound = new Sound();

/** Shows the log-in, with what was wrong before. */
function showLogin(before) {
  document.title = texts.name;
  const view = createLogin(enter, before);
  app.replaceChildren(view.element);
  view.focus();
}

async function enter(account, keep) {
  // In the click: later, a browser would allow no sound.
  sound.unlock();
  await show(account);
  if (keep) login.keep(account);
}

async function show(account) {
  const connection = await connect(account);
  const view = createPhoneView({ ...connection, user: account.user, sound, left: (error) => leave(account, error) });
  app.replaceChildren(view.element);
  view.focus();
}

function leave({ user }, error) {
  login.forget();
  sound.hear([]);
  sound.ring(null);
  showLogin(error ? { user, error } : undefined);
}

const kept = login.kept();
if (kept) {
  app.replaceChildren(el('main', { class: 'login' }, el('p', { class: 'soft', role: 'status' }, texts.login.busy)));
  show(kept).catch((failure) => showLogin({ user: kept.user, error: ofLogin(failure) }));
} else {
  showLogin();
}

// Whether the phone is there for calls: beside the extension's number, always in sight.

import { el, put, say } from './dom.js';
import { texts } from './texts.js';

/** `signal`: of its end. */
export function createLine({ phone, user, signal }) {
  const text = el('span');
  const element = el('p', { class: 'line', role: 'status' }, el('i', { 'aria-hidden': 'true' }), text);
  const tell = (state, words) => {
    // Whatever is being tried meanwhile: without a network there is one thing to say.
    if (!navigator.onLine && state !== 'ready') [state, words] = ['off', texts.line.offline];
    put(element, 'data-state', state);
    say(text, words);
  };
  const begin = () => (phone.isRegistered ? tell('ready', texts.line.ready(user)) : tell('waiting', texts.line.connecting));
  phone.on('isRegisteredChange', (registered) => (registered ? begin() : tell('off', texts.line.off)));
  phone.on('reconnecting', ({ delayMs }) => tell('waiting', texts.line.waiting(Math.max(1, Math.round(delayMs / 1_000)))));
  phone.on('connected', begin);
  // The browser knows before the connection does.
  addEventListener('offline', () => tell('off', texts.line.offline), { signal });
  begin();
  return { element };
}

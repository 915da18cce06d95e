// The log-in.

import { el, icon, put, say } from './dom.js';
import { ofLogin } from './errors.js';
import { texts } from './texts.js';

/** `logIn({user, password}, keep)` throws what `ofLogin` explains. */
export function createLogin(logIn, before) {
  const t = texts.login;
  const user = el('input', {
    id: 'user', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', inputmode: 'numeric', required: true,
  });
  const password = el('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const reveal = el('input', {
    id: 'reveal', type: 'checkbox', onchange: () => put(password, 'type', reveal.checked ? 'text' : 'password'),
  });
  const keep = el('input', { id: 'keep', type: 'checkbox' });
  const button = el('button', { class: 'primary wide', type: 'submit' }, t.button);
  const title = el('strong');
  const text = el('span');
  const problem = el('div', { class: 'problem', id: 'problem', role: 'alert' });

  const tell = (error) => {
    if (!error) return problem.replaceChildren();
    say(title, error.title);
    say(text, error.text);
    problem.replaceChildren(icon('warning'), el('p', {}, title, ' ', text));
  };
  const mark = (wrong) => {
    for (const field of [user, password]) {
      put(field, 'aria-invalid', wrong ? 'true' : null);
      put(field, 'aria-describedby', wrong ? 'problem' : null);
    }
  };

  const submit = async (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled')) return;
    const account = { user: user.value.trim(), password: password.value };
    if (!account.user || !account.password) {
      tell({ title: t.empty, text: '' });
      mark(true);
      (account.user ? password : user).focus();
      return;
    }
    tell(null);
    mark(false);
    put(button, 'aria-disabled', 'true');
    say(button, t.busy);
    try {
      await logIn(account, keep.checked);
    } catch (failure) {
      const error = ofLogin(failure);
      tell(error);
      mark(true);
      password.focus();
      password.select();
    } finally {
      put(button, 'aria-disabled', null);
      say(button, t.button);
    }
  };

  if (before) {
    user.value = before.user ?? '';
    tell(before.error);
  }
  const check = (input, label) => el('label', { class: 'check', for: input.id }, input, el('span', {}, label));
  const element = el(
    'main',
    { class: 'login' },
    el(
      'form',
      { class: 'card', onsubmit: submit, novalidate: true, 'aria-labelledby': 'login-title' },
      el('h1', { id: 'login-title' }, t.title),
      el('p', { class: 'soft' }, t.lead),
      problem,
      el('label', { for: 'user' }, t.extension),
      user,
      el('label', { for: 'password' }, t.password),
      password,
      check(reveal, t.show),
      check(keep, t.keep),
      button,
      el('details', {}, el('summary', {}, t.hintTitle), el('p', { class: 'soft' }, t.hint)),
    ),
  );
  return { element, focus: () => (user.value ? password : user).focus() };
}

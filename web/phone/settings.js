// Devices, ringing, appearance, and the way out.

import { ofCall } from './errors.js';
import { createDeviceChoice } from './device-choice.js';
import { listen, onDevices, present } from './devices.js';
import { el, icon, say } from './dom.js';
import { choose, settings } from './kept.js';
import { texts } from './texts.js';

const t = texts.settings;
const FAULTS = {
  NotAllowedError: 'denied', NotFoundError: 'noDevice', NotReadableError: 'busy', AbortError: 'busy', OverconstrainedError: 'overConstrained',
};

/** `chosen(kind, more)`: another device is wanted. `logOut()`. */
export function createSettings({ user, sound, chosen, logOut, notify }) {
  const field = (label, control, ...more) => el('div', { class: 'field' }, el('label', { for: control.id }, label), control, more);

  const meter = el('meter', { min: 0, max: 1, low: 0.15, 'aria-label': t.level, hidden: true });
  let stop = null;
  let microphones = [];
  /** Counts tests begun and ended: one whose permission comes later than the next of these is over before it began. */
  let turn = 0;
  const test = el('button', { class: 'plain', type: 'button' }, t.test);
  const quiet = () => {
    turn++;
    stop?.();
    stop = null;
    meter.hidden = true;
    say(test, t.test);
  };
  test.addEventListener('click', async () => {
    if (stop) return quiet();
    const mine = ++turn;
    try {
      const opened = await listen(present(settings.microphone, microphones), (level) => (meter.value = level));
      if (mine !== turn) return opened();
      stop = opened;
      meter.hidden = false;
      say(test, t.testing);
      refresh();
    } catch ({ name }) {
      if (mine !== turn) return;
      notify(ofCall({ media: FAULTS[name] ?? (navigator.mediaDevices ? 'other' : 'insecureContext') }));
    }
  });

  const play = el('button', { class: 'plain', type: 'button', onclick: () => (sound.unlock(), sound.chime()) }, icon('speaker'), t.play);
  const ringtone = el(
    'select',
    {
      id: 'ringtone',
      onchange: () => {
        choose('ringtone', ringtone.value);
        sound.unlock();
        sound.sample(ringtone.value);
      },
    },
    Object.entries(t.ringtones).map(([value, label]) => el('option', { value, selected: settings.ringtone === value }, label)),
  );
  const volume = el('input', {
    id: 'volume', type: 'range', min: 0, max: 1, step: 0.05,
    onchange: () => {
      choose('volume', Number(volume.value));
      sound.unlock();
      sound.sample(settings.ringtone);
    },
  });
  volume.value = settings.volume;

  const theme = ([value, label]) => {
    const input = el('input', { type: 'radio', name: 'theme', value, checked: settings.theme === value, onchange: () => choose('theme', value) });
    return el('label', {}, input, el('span', {}, label));
  };
  const choice = createDeviceChoice('', chosen, el('div', { class: 'beside' }, test, meter));
  const element = el(
    'div',
    { class: 'settings' },
    el(
      'section',
      {},
      el('h2', {}, t.sound),
      choice.fields,
      el('div', { class: 'beside' }, play),
      choice.cameras,
    ),
    el('section', {}, el('h2', {}, t.ringtone), field(t.ringtone, ringtone), field(t.volume, volume)),
    el('section', {}, el('fieldset', { class: 'segments' }, el('legend', {}, t.appearance), Object.entries(t.themes).map(theme))),
    el('section', {}, el('h2', {}, t.account), el('p', { class: 'soft' }, t.loggedIn(user)), el('button', { class: 'plain', type: 'button', onclick: logOut }, icon('leave'), t.logOut)),
  );

  const refresh = async () => {
    const found = await choice.refresh();
    microphones = found.microphones;
    chosen('list', found);
  };
  const unlisten = onDevices(refresh);
  const end = () => {
    quiet();
    unlisten();
  };
  refresh();
  return { element, refresh, quiet, end };
}

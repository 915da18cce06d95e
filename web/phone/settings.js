// Devices, ringing, appearance, and the way out.

import { ofCall } from './errors.js';
import { canChooseSpeaker, devices, listen, onDevices } from './devices.js';
import { el, icon, put, say } from './dom.js';
import { choose, settings } from './kept.js';
import { texts } from './texts.js';

const t = texts.settings;
const FAULTS = {
  NotAllowedError: 'denied', NotFoundError: 'noDevice', NotReadableError: 'busy', AbortError: 'busy', OverconstrainedError: 'overConstrained',
};

/** `chosen(kind)`: another device is wanted. `logOut()`. */
export function createSettings({ user, sound, chosen, logOut, notify }) {
  const select = (id, name) =>
    el('select', {
      id,
      onchange: ({ target }) => {
        choose(name, target.value);
        chosen(name);
      },
    });
  const [microphone, speaker, camera] = [select('microphone', 'microphone'), select('speaker', 'speaker'), select('camera', 'camera')];
  const field = (label, control, ...more) => el('div', { class: 'field' }, el('label', { for: control.id }, label), control, more);

  const meter = el('meter', { min: 0, max: 1, low: 0.15, 'aria-label': t.level, hidden: true });
  let stop = null;
  const test = el('button', { class: 'plain', type: 'button' }, t.test);
  const quiet = () => {
    stop?.();
    stop = null;
    meter.hidden = true;
    say(test, t.test);
  };
  test.addEventListener('click', async () => {
    if (stop) return quiet();
    try {
      stop = await listen(settings.microphone, (level) => (meter.value = level));
      meter.hidden = false;
      say(test, t.testing);
      refresh();
    } catch ({ name }) {
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
  const noCamera = el('p', { class: 'soft' }, t.noCamera);
  const cameraField = field(t.camera, camera);
  const element = el(
    'div',
    { class: 'settings' },
    el(
      'section',
      {},
      el('h2', {}, t.sound),
      field(t.microphone, microphone, el('div', { class: 'beside' }, test, meter)),
      canChooseSpeaker() ? field(t.speaker, speaker) : el('p', { class: 'soft' }, t.noSpeaker),
      el('div', { class: 'beside' }, play),
      cameraField,
      noCamera,
    ),
    el('section', {}, el('h2', {}, t.ringtone), field(t.ringtone, ringtone), field(t.volume, volume)),
    el('section', {}, el('fieldset', { class: 'segments' }, el('legend', {}, t.appearance), Object.entries(t.themes).map(theme))),
    el('section', {}, el('h2', {}, t.account), el('p', { class: 'soft' }, t.loggedIn(user)), el('button', { class: 'plain', type: 'button', onclick: logOut }, icon('leave'), t.logOut)),
  );

  const list = (node, found, name, label) => {
    const options = [el('option', { value: '' }, t.standard)];
    found.forEach(({ deviceId, label: own }, index) => {
      if (deviceId) options.push(el('option', { value: deviceId }, own || t.numbered(label, index + 1)));
    });
    node.replaceChildren(...options);
    const there = options.some(({ value }) => value === settings[name]);
    node.value = there ? settings[name] : '';
    put(node, 'disabled', options.length === 1);
  };
  const refresh = async () => {
    const { microphones, speakers, cameras } = await devices();
    list(microphone, microphones, 'microphone', t.microphone);
    list(speaker, speakers, 'speaker', t.speaker);
    list(camera, cameras, 'camera', t.camera);
    cameraField.hidden = cameras.length === 0;
    noCamera.hidden = cameras.length > 0;
    chosen('list', { cameras });
  };
  onDevices(refresh);
  refresh();
  return { element, refresh, quiet };
}

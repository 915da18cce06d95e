// Which microphone, speaker and camera: in the settings, and in a call.

import { canChooseSpeaker, devices } from './devices.js';
import { el, put } from './dom.js';
import { choose, settings } from './kept.js';
import { texts } from './texts.js';

const t = texts.settings;

/** `prefix` of the ids. `chosen(kind, before)`: another one is wanted; where it cannot be had, it may choose the one before again. `more`: what
 * stands below the microphone. */
export function createDeviceChoice(prefix, chosen, ...more) {
  const select = (name) =>
    el('select', {
      id: prefix + name,
      onchange: async ({ target }) => {
        const before = settings[name];
        choose(name, target.value);
        await chosen(name, before);
        show(target, name);
      },
    });
  const show = (node, name) => {
    node.value = [...node.options].some(({ value }) => value === settings[name]) ? settings[name] : '';
  };
  const [microphone, speaker, camera] = [select('microphone'), select('speaker'), select('camera')];
  const field = (label, control, ...below) => el('div', { class: 'field' }, el('label', { for: control.id }, label), control, below);
  const noCamera = el('p', { class: 'soft' }, t.noCamera);
  const cameraField = field(t.camera, camera);
  const fields = [
    field(t.microphone, microphone, ...more),
    canChooseSpeaker() ? field(t.speaker, speaker) : el('p', { class: 'soft' }, t.noSpeaker),
  ];

  const list = (node, found, name, label) => {
    const options = [el('option', { value: '' }, t.standard)];
    found.forEach(({ deviceId, label: own }, index) => {
      if (deviceId) options.push(el('option', { value: deviceId }, own || t.numbered(label, index + 1)));
    });
    node.replaceChildren(...options);
    show(node, name);
    put(node, 'disabled', options.length === 1);
  };
  /** Gives what there is. */
  const refresh = async () => {
    const found = await devices();
    list(microphone, found.microphones, 'microphone', t.microphone);
    list(speaker, found.speakers, 'speaker', t.speaker);
    list(camera, found.cameras, 'camera', t.camera);
    cameraField.hidden = found.cameras.length === 0;
    noCamera.hidden = found.cameras.length > 0;
    return found;
  };
  return { fields, cameras: [cameraField, noCamera], refresh };
}

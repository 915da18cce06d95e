// What the user chose, and the calls there were: kept by the browser, for this page alone.

const SETTINGS = 'offhook.settings';
const STANDARD = { theme: 'auto', ringtone: 'classic', volume: 0.7, microphone: '', speaker: '', camera: '' };
const MOST_CALLS = 100;

/** Storage may be off (private windows, policies): then nothing is kept, and all else works. */
function read(storage, key, otherwise) {
  try {
    return JSON.parse(window[storage].getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // Full or off.
  }
}

export const settings = { ...STANDARD, ...read('localStorage', SETTINGS, {}) };

export function choose(name, value) {
  settings[name] = value;
  write('localStorage', SETTINGS, settings);
  if (name === 'theme') {
    if (value === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  }
}

/** The log-in, for as long as the tab is there and only if the user wants it. */
export const login = {
  kept: () => read('sessionStorage', 'offhook.login', null),
  keep: (account) => write('sessionStorage', 'offhook.login', account),
  forget: () => write('sessionStorage', 'offhook.login', null),
};

/** The list of an extension that no PBX keeps: newest first. */
export class OwnCalls {
  #key;

  constructor(user) {
    this.#key = `offhook.calls.${user}`;
  }

  get all() {
    return read('localStorage', this.#key, []);
  }

  add(call) {
    write('localStorage', this.#key, [call, ...this.all].sort((one, other) => other.at - one.at).slice(0, MOST_CALLS));
  }
}

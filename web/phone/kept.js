// What the user chose, and the calls there were: kept by the browser, for this page alone.

const SETTINGS = 'offhook.settings';
const STANDARD = { theme: 'auto', ringtone: 'classic', volume: 0.7, microphone: '', speaker: '', camera: '' };
const MOST_CALLS = 100;
/** Of a reload with calls. */
const KEPT_MS = 20_000;
/** A reload is done by then. */
const RELOAD_MS = 5_000;
const CARRIED_AT = 'offhook.carried-at';

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
  /** For the next page of this tab, once and soon: as long as the package keeps the calls. */
  carry: (account) => {
    write('sessionStorage', 'offhook.carried', { account, at: Date.now() });
    write('localStorage', CARRIED_AT, Date.now());
  },
  carried: () => {
    const { account, at = 0 } = read('sessionStorage', 'offhook.carried', {});
    write('sessionStorage', 'offhook.carried', null);
    return Date.now() - at < KEPT_MS ? account : null;
  },
  /** So long another tab lets one with calls come back before it takes its place, ms. */
  patience: () => (Date.now() - read('localStorage', CARRIED_AT, 0) < RELOAD_MS ? RELOAD_MS : 0),
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

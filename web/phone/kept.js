// What the user chose: kept by the browser, for this page alone.

const SETTINGS = 'offhook.settings';
const STANDARD = { theme: 'auto', ringtone: 'classic', volume: 0.7, microphone: '', speaker: '', camera: '' };
/** Of a reload with calls. */
const KEPT_MS = 20_000;

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
  /** For the next page of this tab, once and soon: as long as the package keeps the calls, which it does since `at`. */
  carry: (account, at = Date.now()) => write('sessionStorage', 'offhook.carried', { account, at }),
  /** `{account, at}` or `null`. */
  carried: () => {
    const carried = read('sessionStorage', 'offhook.carried', null);
    write('sessionStorage', 'offhook.carried', null);
    return Date.now() - carried?.at < KEPT_MS ? carried : null;
  },
};

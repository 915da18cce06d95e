// Elements without a framework: what is written here in one line is plain DOM.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `onNAME` is a listener, everything else an attribute; `true` sets one without a value, `null` and `false` leave it out.
 * Texts are never read as HTML.
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else put(node, name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** Sets or takes away an attribute, if it is another. */
export function put(node, name, value) {
  const wanted = value == null || value === false ? null : value === true ? '' : String(value);
  if (node.getAttribute(name) === wanted) return;
  if (wanted === null) node.removeAttribute(name);
  else node.setAttribute(name, wanted);
}

/** Sets a text, if it is another: what is the same is not read out again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replaces the children, if they are others. */
export function fill(node, ...children) {
  const wanted = children.flat().filter((child) => child != null && child !== false);
  const same = wanted.length === node.childNodes.length && wanted.every((child, index) => child === node.childNodes[index]);
  if (!same) node.replaceChildren(...wanted);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** One of the drawings below; it says nothing to a screen reader, so that its button must. */
export function icon(name) {
  const drawing = svg('svg', { viewBox: '0 0 24 24', class: `icon ${name}`, 'aria-hidden': 'true' });
  const { line = '', solid = '' } = DRAWINGS[name];
  if (solid) drawing.append(svg('path', { d: solid, class: 'solid' }));
  if (line) drawing.append(svg('path', { d: line }));
  return drawing;
}

/** Reads a text out. */
export function announce(text) {
  const spoken = document.getElementById('spoken');
  // Two of the same are two announcements.
  spoken.replaceChildren(el('p', {}, text));
}

/** Letters and a colour of their own for whoever has no picture. */
export function avatar(person) {
  const node = el('span', { class: 'avatar', 'aria-hidden': 'true' });
  show(node, person);
  return node;
}

export function show(node, { name, number, avatar: picture }) {
  if (picture) {
    if (node.firstElementChild?.src !== picture) node.replaceChildren(el('img', { src: picture, alt: '' }));
    return;
  }
  const words = (name || '').match(/\p{L}+/gu) ?? [];
  say(node, words.length > 0 ? words.slice(0, 2).map((word) => word[0].toUpperCase()).join('') : (number || '?').slice(-2));
}

const HANDSET = 'M6.2 3.5h2.9l1.6 4.2-2 1.5a11 11 0 0 0 5.6 5.6l1.5-2 4.2 1.6v2.9a2 2 0 0 1-2.2 2A16.7 16.7 0 0 1 4.2 5.7a2 2 0 0 1 2-2.2z';
const MICROPHONE = 'M12 3.5a2.7 2.7 0 0 1 2.7 2.7v5.3a2.7 2.7 0 0 1-5.4 0V6.2A2.7 2.7 0 0 1 12 3.5zM6.2 11.5a5.8 5.8 0 0 0 11.6 0M12 17.3v3.2';

const CAMERA = 'M4 7.5h9.5a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 15V9A1.5 1.5 0 0 1 4 7.5zM15 11l6-3v8l-6-3';
const DISPLAY = 'M4 5h16a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 20 17H4a1.5 1.5 0 0 1-1.5-1.5v-9A1.5 1.5 0 0 1 4 5z';

const DRAWINGS = {
  handset: { solid: HANDSET },
  down: { solid: HANDSET },
  microphone: { line: MICROPHONE },
  muted: { line: `${MICROPHONE}M4.5 4.5l15 15` },
  pause: { line: 'M9 5.5v13M15 5.5v13' },
  play: { solid: 'M8 5.2v13.6l11-6.8z' },
  keys: { solid: dots() },
  transfer: { line: 'M4.5 12h13M12.5 6.5 18 12l-5.5 5.5M20.5 5.5v13' },
  record: { line: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16z', solid: 'M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z' },
  recorded: { solid: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z' },
  camera: { line: CAMERA },
  filming: { line: CAMERA, solid: CAMERA },
  screen: { line: `${DISPLAY}M8.5 20.5h7M12 14V8.5M9.5 10.8 12 8.3l2.5 2.5` },
  sharing: { line: 'M8.5 20.5h7', solid: DISPLAY },
  headset: { line: 'M4.5 16v-4a7.5 7.5 0 0 1 15 0v4M4.5 13.5h2A1.5 1.5 0 0 1 8 15v3a1.5 1.5 0 0 1-1.5 1.5H6A1.5 1.5 0 0 1 4.5 18zM19.5 13.5h-2A1.5 1.5 0 0 0 16 15v3a1.5 1.5 0 0 0 1.5 1.5h.5a1.5 1.5 0 0 0 1.5-1.5z' },
  merge: { line: 'M6.5 4.5v3.2A4.3 4.3 0 0 0 10.8 12H18M6.5 19.5v-3.2A4.3 4.3 0 0 1 10.8 12M15 8.5l3.5 3.5-3.5 3.5' },
  plus: { line: 'M12 5v14M5 12h14' },
  erase: { line: 'M9 5.5h10a1.5 1.5 0 0 1 1.5 1.5v10a1.5 1.5 0 0 1-1.5 1.5H9L3.5 12zM11 9.5l5 5M16 9.5l-5 5' },
  clock: { line: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 7.5V12l3 2' },
  gear: { line: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4zM9 14.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4z' },
  close: { line: 'M6 6l12 12M18 6 6 18' },
  inbound: { line: 'M18 6 7 17M7 9v8h8' },
  outbound: { line: 'M6 18 17 7M9 7h8v8' },
  missed: { line: 'M4.5 7.5l7.5 7 8-8M14.5 6.5H20V12' },
  swap: { line: 'M7.5 4.5 4 8l3.5 3.5M4 8h16M16.5 12.5 20 16l-3.5 3.5M20 16H4' },
  warning: { line: 'M12 4.5 21 19.5H3zM12 10v4.5M12 17v.1' },
  speaker: { line: 'M4.5 9.5v5h3l4.5 4v-13l-4.5 4zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11' },
  leave: { line: 'M10 4.5H5.5v15H10M10.5 12h10M16.5 8l4 4-4 4' },
};

function dots() {
  const at = [6, 12, 18];
  return at.flatMap((y) => at.map((x) => `M${x} ${y - 1.6}a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.2z`)).join('');
}

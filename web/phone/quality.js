// The quality of a call over its time: four small graphs on one time axis, drawn as SVG.

import { duration } from './calls.js';
import { el, fill, icon, put, say, svg } from './dom.js';
import { texts } from './texts.js';

const WIDTH = 400;
const HEIGHT = 40;

/** Each row: what it shows of a report, its number in words, and the least range of its axis. */
const ROWS = {
  mos: { of: ({ mos }) => mos, shown: (value) => value.toFixed(1), low: 1, high: 4.5, fixed: true },
  loss: { of: ({ loss }) => loss * 100, shown: (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0)), low: 0, high: 5 },
  jitter: { of: ({ jitterMs }) => jitterMs, shown: (value) => value.toFixed(0), low: 0, high: 30 },
  rtt: { of: ({ rttMs }) => rttMs, shown: (value) => value.toFixed(0), low: 0, high: 150 },
};

export function createQuality() {
  const t = texts.quality;
  const word = el('strong', { class: 'word' });
  const wait = el('p', { class: 'soft' }, t.wait);
  const warnings = el('ul', { class: 'warnings', role: 'list' });
  const rows = Object.entries(ROWS).map(([name, row]) => createRow(name, row));
  const end = el('span');
  const axis = el('div', { class: 'axis soft', 'aria-hidden': 'true' }, el('span', {}, '0:00'), end);
  const graphs = el('div', { class: 'graphs' }, rows.map(({ element }) => element), axis);
  const element = el('section', { class: 'quality', 'aria-label': t.title }, el('h3', {}, t.title, word), warnings, wait, graphs);
  const shown = new Map();

  const update = (call) => {
    const reports = call.reports.filter(({ packetsReceived }) => packetsReceived > 0);
    const begin = call.answered ?? call.at;
    const until = reports.at(-1)?.at ?? begin;
    wait.hidden = reports.length > 0;
    graphs.hidden = reports.length === 0;
    say(word, reports.length > 0 ? ratingWord(reports.at(-1).mos) : '');
    put(word, 'data-rating', rating(reports.at(-1)?.mos));
    say(end, duration(Math.round((until - begin) / 1_000)));
    for (const row of rows) row.update(reports, begin, until);
    // Who is muted or holds the call is silent on purpose.
    const quiet = call.status.isMute || call.status.isHold;
    const codes = [...call.warnings.keys()].filter((code) => t.warnings[code] && !(quiet && code === 'constant-audio-input-level'));
    for (const code of codes) {
      if (!shown.has(code)) shown.set(code, el('li', {}, icon('warning'), t.warnings[code]));
    }
    fill(warnings, codes.map((code) => shown.get(code)));
    warnings.hidden = codes.length === 0;
  };
  return { element, update };
}

/** "Good" … of a MOS. */
export function ratingWord(mos) {
  if (mos == null) return texts.quality.unknown;
  return texts.quality.words.find(([least]) => mos >= least)[1];
}

/** For the colour: `good`, `fair` or `bad`. */
export function rating(mos) {
  if (mos == null) return null;
  return mos >= 3.6 ? 'good' : mos >= 3.1 ? 'fair' : 'bad';
}

function createRow(name, { of, shown, low, high, fixed }) {
  const t = texts.quality;
  const value = el('b', {}, '–');
  const top = el('span', { class: 'top soft', 'aria-hidden': 'true' });
  const area = svg('path', { class: 'area' });
  const line = svg('path', { class: 'line', 'vector-effect': 'non-scaling-stroke' });
  const grid = svg('path', { class: 'grid', d: `M0 .5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`, 'vector-effect': 'non-scaling-stroke' });
  const graph = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }, grid, area, line);
  const figure = el('div', { class: 'figure' }, value, el('small', {}, ` ${t.units[name]}`));
  const label = el('div', { class: 'what' }, el('span', {}, t.rows[name]), el('small', { class: 'soft' }, t.help[name]));
  const element = el('div', { class: `graph ${name}` }, label, figure, el('div', { class: 'plot' }, graph, top));

  const update = (reports, begin, until) => {
    const points = reports.map((report) => [report.at, of(report)]).filter(([, number]) => Number.isFinite(number));
    if (points.length === 0) {
      say(value, '–');
      put(graph, 'aria-label', `${t.rows[name]}: ${t.unknown}`);
      return;
    }
    const numbers = points.map(([, number]) => number);
    const limit = fixed ? high : Math.max(high, Math.max(...numbers) * 1.15);
    const span = Math.max(until - begin, 1);
    const x = (at) => Math.max(0, ((at - begin) / span) * WIDTH).toFixed(1);
    const y = (number) => (HEIGHT - 1 - ((Math.min(number, limit) - low) / (limit - low)) * (HEIGHT - 2)).toFixed(1);
    // The first figure counts from the beginning.
    const way = [[begin, numbers[0]], ...points].map(([at, number]) => `${x(at)} ${y(number)}`).join('L');
    put(line, 'd', `M${way}`);
    put(area, 'd', `M0 ${HEIGHT}L${way}L${x(points.at(-1)[0])} ${HEIGHT}z`);
    say(value, shown(numbers.at(-1)));
    say(top, shown(limit));
    const said = [Math.min(...numbers), Math.max(...numbers), numbers.at(-1)].map((number) => `${shown(number)} ${t.units[name]}`);
    put(graph, 'aria-label', t.graph(t.rows[name], ...said));
  };
  return { element, update };
}

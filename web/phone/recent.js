// The list of calls, as the PBX keeps it.

import { duration } from './calls.js';
import { el, icon, say } from './dom.js';
import { texts } from './texts.js';

const PAGE = 20;
/** `status` of a record of the PBX. */
const KINDS = { 1: 'inbound', 2: 'missed', 3: 'outbound' };

/** A page of the PBX's records: `{rows, more}`. */
async function records(pbx, page) {
  const { personal_cdr_list: list = [], total_number: total = 0 } = await pbx.cdrQuery({ page, size: PAGE });
  const rows = list.map((row) => ({
    kind: KINDS[row.status] ?? 'outbound',
    number: String(row.number ?? ''),
    name: row.extension?.caller_id_name || '',
    at: row.timestamp * 1_000,
    seconds: Number(row.talk_duration) || 0,
    answered: row.disposition === 'ANSWERED',
  }));
  return { rows, more: total > page * PAGE };
}

/** `call(number)`. */
export function createRecent({ pbx, call }) {
  const t = texts.recent;
  let page = 1;
  const list = el('div', { class: 'days' });
  const more = el('button', { class: 'plain wide', type: 'button', onclick: () => load(page + 1) }, t.more);
  const empty = el('div', { class: 'empty' }, icon('clock'), el('p', {}, el('b', {}, t.empty)), el('p', { class: 'soft' }, t.emptyLead));
  const problem = el('div', { class: 'empty', role: 'alert' });
  const element = el('div', { class: 'recent' }, el('h2', { class: 'hidden' }, t.title), list, empty, problem, more);
  let known = [];
  let asked = 0;

  const load = async (wanted = 1) => {
    const nth = ++asked;
    let loaded;
    try {
      loaded = await records(pbx, wanted);
    } catch {
      if (nth !== asked) return;
      const again = el('button', { class: 'plain', type: 'button', onclick: () => load(wanted) }, t.again);
      return problem.replaceChildren(el('p', {}, t.failed), again);
    }
    // Another one was asked for meanwhile.
    if (nth !== asked) return;
    problem.replaceChildren();
    page = wanted;
    known = wanted === 1 ? loaded.rows : [...known, ...loaded.rows];
    list.replaceChildren(...byDay(known));
    empty.hidden = known.length > 0;
    more.hidden = !loaded.more;
  };

  const rowOf = ({ kind, number, name, at, seconds, answered }) => {
    const shown = name || number;
    const what = el('span', { class: 'soft' });
    const length = seconds > 0 ? duration(seconds) : kind === 'outbound' && !answered ? t.unanswered : '';
    say(what, [t.kinds[kind], name && name !== number ? number : '', length].filter(Boolean).join(' · '));
    const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    return el(
      'li',
      {},
      el(
        'button',
        { class: `row ${kind}`, type: 'button', title: t.call(shown), onclick: () => call(number) },
        icon(kind),
        el('span', { class: 'names' }, el('b', {}, shown), what),
        el('time', { class: 'soft', datetime: new Date(at).toISOString() }, time),
      ),
    );
  };

  const byDay = (rows) => {
    const days = {};
    for (const row of rows) (days[new Date(row.at).toDateString()] ??= []).push(row);
    return Object.values(days).map((calls) =>
      el('section', {}, el('h3', {}, dayOf(new Date(calls[0].at))), el('ul', { role: 'list' }, calls.map(rowOf))),
    );
  };

  pbx.on('cdrChange', () => load());
  load();
  return element;
}

function dayOf(date) {
  const today = new Date();
  const yesterday = new Date(today);
  yesterday.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return texts.recent.today;
  if (date.toDateString() === yesterday.toDateString()) return texts.recent.yesterday;
  return date.toLocaleDateString(document.documentElement.lang, { weekday: 'long', day: 'numeric', month: 'long' });
}

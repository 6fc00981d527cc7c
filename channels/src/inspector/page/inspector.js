// Asks for the state once a second and draws it. What comes from clients becomes text and nothing else.
'use strict';

const EVERY_MS = 1000;
const KEPT = 300;
// The script's own attribute says where the files lie; without a name and password that the page's address may bear.
const here = document.currentScript.dataset.here;
const folder = location.origin + location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1) + here;

const $ = (id) => document.getElementById(id);
const samples = [];
let group = '';
let latest = null;

/** An element with text and attributes. */
function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== null && text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const number = (value) => whole.format(value);
const rate = (value) => (value > 0 && value < 10 ? value.toFixed(1) : short.format(value));

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

function duration(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${+(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 120) return `${+seconds.toPrecision(3)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

/** Puts rows into a list or table, unless they are the same as before: who selects text keeps it. */
function fill(parent, rows, make) {
  const key = JSON.stringify(rows);
  if (parent.dataset.shown === undefined || fill.keys.get(parent) !== key) {
    fill.keys.set(parent, key);
    parent.dataset.shown = String(rows.length);
    parent.replaceChildren(...rows.map(make));
  }
}
fill.keys = new WeakMap();

const CHARTS = [
  { name: 'Connections', show: number, lines: [['connections', 'now']] },
  { name: 'Messages a second', show: rate, lines: [['messages_in', 'in'], ['messages_out', 'out']] },
  { name: 'Bytes a second', show: bytes, lines: [['bytes_in', 'in'], ['bytes_out', 'out']] },
  { name: 'Handlers', show: duration, lines: [['handler_p50', 'p50'], ['handler_p99', 'p99'], ['waited_p99', 'waited p99']] },
  { name: 'Going wrong, a second', show: rate, lines: [['errors', 'errors'], ['dropped', 'dropped'], ['refused', 'refused']] },
];
const COLOURS = ['one', 'two', 'three'];
const SVG = 'http://www.w3.org/2000/svg';

function makeChart(chart) {
  const figure = make('figure', null, { 'data-testid': `chart-${chart.lines[0][0]}` });
  const caption = make('figcaption');
  caption.append(make('b', chart.name));
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${KEPT - 1} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${chart.name}, over the last five minutes`);
  const ground = document.createElementNS(SVG, 'line');
  for (const [side, value] of [['x1', 0], ['x2', KEPT - 1], ['y1', 99.5], ['y2', 99.5]]) ground.setAttribute(side, value);
  svg.append(ground);
  chart.drawn = chart.lines.map(([field, name], at) => {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('class', COLOURS[at]);
    svg.append(path);
    const value = make('span', '–', { class: COLOURS[at], 'data-testid': `now-${field}` });
    caption.append(value);
    return { field, name, path, value };
  });
  const scale = make('div', null, { class: 'scale' });
  chart.top = make('span', '');
  scale.append(chart.top, make('span', 'last 5 minutes'));
  figure.append(caption, svg, scale);
  return figure;
}

function draw(chart) {
  let top = 0;
  for (const sample of samples) for (const { field } of chart.drawn) top = Math.max(top, sample[field] ?? 0);
  const newest = samples.at(-1)?.number ?? 0;
  for (const { field, name, path, value } of chart.drawn) {
    let way = '';
    let down = false;
    for (const sample of samples) {
      const level = sample[field];
      if (level === null) {
        down = false;
        continue;
      }
      const x = KEPT - 1 - (newest - sample.number);
      const y = top === 0 ? 99 : 99 - (level / top) * 96;
      // A value that stands alone is drawn as a short line.
      way += down ? `L${x} ${y.toFixed(2)}` : `M${x - 0.5} ${y.toFixed(2)}L${x} ${y.toFixed(2)}`;
      down = true;
    }
    path.setAttribute('d', way);
    const last = samples.at(-1)?.[field];
    value.textContent = `${name} ${last === null || last === undefined ? '–' : chart.show(last)}`;
    value.dataset.most = String(samples.reduce((most, sample) => Math.max(most, sample[field] ?? 0), 0));
  }
  chart.top.textContent = `top ${chart.show(top)}`;
}

const TILES = [
  ['connections', 'Connections', number], ['users', 'Users', number], ['groups', 'Groups', number],
  ['connections_total', 'Connections ever', number], ['messages_in', 'Messages in', number],
  ['messages_out', 'Messages out', number], ['bytes_in', 'Bytes in', bytes], ['bytes_out', 'Bytes out', bytes],
  ['dropped', 'Dropped', number], ['refused', 'Refused', number], ['errors', 'Errors', number],
];

function showTiles(counts) {
  const rows = TILES.map(([field, name, show]) => [field, name, show(counts[field])]);
  fill($('counts'), rows, ([field, name, value]) => {
    const tile = make('div');
    tile.append(make('dt', name), make('dd', value, { 'data-testid': `count-${field}` }));
    return tile;
  });
}

function cells(row, values) {
  for (const [text, kind] of values) row.append(make('td', text, kind ? { class: kind } : {}));
  return row;
}

function showConnections({ connections, counts }) {
  $('connections-note').textContent = `${number(connections.length)} shown of ${number(counts.connections)}`;
  const rows = connections.map((it) => [
    it.user ?? '–', it.ip ?? '–', duration(it.age), duration(it.idle), number(it.messages_in), number(it.messages_out),
    it.queued === 0 ? '–' : `${number(it.queued)} (${bytes(it.queued_bytes)})`,
    it.groups.join(', ') + (it.more_groups > 0 ? ` and ${it.more_groups} more` : ''), it.id,
  ]);
  fill($('connections'), rows, (row) => {
    const line = make('tr', null, { 'data-connection': row[8] });
    return cells(line, row.map((text, at) => [text, at === 8 ? 'id' : at === 7 ? 'words' : '']));
  });
}

function showGroups({ groups, counts }) {
  $('groups-note').textContent = `${number(groups.length)} of ${number(counts.groups)}, the largest first`;
  fill($('groups'), groups.map((it) => [it.name, it.members, it.name === group]), ([name, members, chosen]) => {
    const item = make('li');
    const button = make('button', name, { type: 'button', 'aria-pressed': String(chosen), 'data-testid': 'group' });
    button.addEventListener('click', () => {
      group = name;
      ask();
    });
    item.append(button, make('span', number(members)));
    return item;
  });
}

function showMembers(chosen) {
  if (chosen === null) return;
  $('members-note').textContent = `of “${chosen.name}” here: ${number(chosen.shown.length)} of ${number(chosen.count)}`;
  fill($('members'), chosen.shown, (member) => {
    const item = make('li', null, { 'data-testid': 'member' });
    item.append(make('span', member.user ?? '–'), make('small', member.id));
    return item;
  });
}

function showErrors(errors) {
  $('errors-note').textContent = errors.length === 0 ? 'none' : `the last ${errors.length}`;
  const rows = errors.map((it) => [
    clock(it.at), it.code, it.category, it.message_type ?? '–', it.user ?? '–', it.message, it.error_id, it.connection ?? '–',
  ]);
  const kinds = ['', '', '', '', '', 'words', 'id', 'id'];
  fill($('errors'), rows, (row) => {
    const line = make('tr', null, { 'data-error': row[6] });
    return cells(line, row.map((text, at) => [text, kinds[at]]));
  });
}

function showServers(servers) {
  const shown = servers === null ? [] : servers.shown;
  const more = servers === null ? 0 : servers.count - shown.length;
  let note = `${number(shown.length)}, this one and then the largest first`;
  if (servers === null) note = 'not known now';
  else if (servers.count === 0) note = 'this backend does not tell them apart';
  else if (more > 0) note += `; ${number(more)} more`;
  $('servers-note').textContent = note;
  const rows = shown.map((it) => [
    it.name, number(it.connections), it.age === null ? '–' : duration(it.age),
    it.silent === null ? '–' : it.silent < 1 ? 'now' : `${duration(it.silent)} ago`,
    [it.own ? 'this one' : '', it.draining ? 'draining' : ''].filter(Boolean).join(', ') || 'live', it.id,
  ]);
  fill($('servers'), rows, (row) => {
    const line = make('tr', null, { 'data-server': row[5] });
    return cells(line, row.map((text, at) => [text, at === 5 ? 'id' : at === 0 ? 'words' : '']));
  });
}

function showFacts({ server, cluster, backend }) {
  const facts = [
    ['This server', server.id],
    ['Version', server.version],
    ['Up for', duration(server.uptime)],
    ['Backend', backend.name],
    ['All servers', cluster === null ? 'not known now' : number(cluster.servers)],
    ['Their connections', cluster === null ? 'not known now' : number(cluster.connections)],
    ['Their users', cluster === null ? 'not known now' : number(cluster.users)],
    ['Interruptions', number(backend.interruptions)],
  ];
  if (backend.last_interruption !== null) facts.push(['The last one', backend.last_interruption]);
  fill($('facts'), facts, ([name, value]) => {
    const fact = make('div');
    fact.append(make('dt', name), make('dd', value));
    return fact;
  });
  $('server').textContent = `${server.id} · ${backend.name} · ${server.version}`;
  if (!backend.connected) say('bad', `The backend is away since ${clock(backend.since)}: ${backend.reason}`);
  else if (server.draining) say('bad', 'Draining');
  else say('good', 'Live');
}

function say(state, words) {
  // Said once: a screen reader reads what changes.
  if ($('state').textContent !== words) $('state').textContent = words;
  $('state').dataset.state = state;
}

function show(state) {
  // Another server, or one that was started again, counts from the beginning: it is asked for everything next time.
  const isAnother = latest !== null && (latest.server.id !== state.server.id || latest.server.uptime > state.server.uptime);
  latest = state;
  if (isAnother) samples.length = 0;
  else samples.push(...state.samples);
  samples.splice(0, Math.max(0, samples.length - KEPT));
  showFacts(state);
  showServers(state.servers);
  showTiles(state.counts);
  CHARTS.forEach(draw);
  showConnections(state);
  showGroups(state);
  showMembers(state.group);
  showErrors(state.errors);
}

let asking = null;

/** Asks now; of several questions only the last one's answer counts. */
async function ask() {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const parameters = new URLSearchParams({ after: String(samples.at(-1)?.number ?? 0), find: $('find').value, group });
  try {
    const answer = await fetch(`${folder}state.json?${parameters}`, { signal: mine.signal, cache: 'no-store' });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const state = await answer.json();
    if (asking === mine) show(state);
  } catch (error) {
    if (mine.signal.aborted) return;
    say('bad', `No answer (${error.message}). Trying again…`);
    // It may be another server next time, which counts anew.
    samples.length = 0;
  } finally {
    if (asking === mine) asking = null;
  }
}

$('charts').append(...CHARTS.map(makeChart));
$('find').addEventListener('input', ask);
document.addEventListener('visibilitychange', () => document.hidden || ask());
setInterval(() => {
  // A page that nobody sees asks nothing; a slow answer is waited for.
  if (!document.hidden && asking === null) ask();
}, EVERY_MS);
ask();

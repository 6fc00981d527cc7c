// The messages of one conversation, in the order they are shown. `entries` are those that the server told;
// `outgoing` are this window's own on their way, which stand below them until their echo makes them entries.

import { readFile, release } from './files.js';

// What one conversation keeps. The characters count too: 500 messages of 100,000 would be 50 million.
const MAX_ENTRIES = 500;
const MAX_CHARS = 2_000_000;
// How many people a line of comings or goings remembers by name.
const MAX_NAMED = 20;
// The same message, told live and by the history, bears the same time but for the rounding of a database.
const SAME_TIME_S = 0.002;

let nextKey = 1;
export const freshKey = () => `m${nextKey++}`;

export class Timeline {
  entries = [];
  outgoing = [];
  #chars = 0;

  // The time of the newest message that is here, which tells what a later history has that is new.
  get newest() {
    for (let i = this.entries.length - 1; i >= 0; i--) if (isMessage(this.entries[i])) return this.entries[i].ts;
    return 0;
  }

  // Takes a message as it arrives. Answers its entry, or null if the history had brought it before.
  receive(message) {
    // Two live copies are two messages; only one that came from a history can be the same.
    const known = this.entries.findLast((entry) => entry.fromHistory && same(entry, message));
    if (known) {
      known.fromHistory = false;
      return null;
    }
    const entry = this.#entryOf(message, message.own ? this.#takeEcho(message) : null);
    this.#push(entry);
    return entry;
  }

  // Merges a part of the history, oldest first, and answers the entries that are new. What is shown already
  // stays where it is; what is new goes between its neighbours of the history. `full` says that there
  // may be more before the part than was asked for, which then becomes a gap that can be filled.
  merge(history, { full = false } = {}) {
    const places = this.#match(history);
    const firstKnown = places.findIndex((place) => place >= 0);
    const added = [];
    let at = 0;
    let shift = 0;
    history.forEach((message, i) => {
      if (places[i] >= 0) {
        at = Math.max(at, places[i] + shift + 1);
        this.#learn(this.entries[places[i] + shift], message);
        return;
      }
      const ahead = places.slice(i + 1).find((place) => place >= 0 && place + shift >= at);
      const limit = ahead === undefined ? this.entries.length : ahead + shift;
      while (at < limit && this.entries[at].ts <= message.ts) at++;
      const entry = this.#entryOf(message, message.own ? this.#takeEcho(message, { old: true }) : null);
      entry.fromHistory = true;
      this.entries.splice(at, 0, entry);
      this.#chars += entry.text.length;
      added.push(entry);
      at++;
      shift++;
    });
    if (full && firstKnown !== 0 && added.length > 0) {
      this.entries.splice(this.entries.indexOf(added[0]), 0, { key: freshKey(), kind: 'gap', ts: added[0].ts, text: '', state: 'open' });
    }
    this.#prune();
    return added;
  }

  // A gap above everything, for when the history could not be had.
  addGap(words) {
    if (this.entries[0]?.kind !== 'gap') this.entries.unshift({ key: freshKey(), kind: 'gap', ts: this.entries[0]?.ts ?? 0, text: '', state: 'open' });
    this.entries[0].words = words;
  }

  removeGap(gap) {
    const index = this.entries.indexOf(gap);
    if (index >= 0) this.entries.splice(index, 1);
  }

  // A line of the room itself. Comings and goings in a row become one line, so that a crowd does not
  // push the messages out.
  notice(verb, who, ts) {
    const last = this.entries.at(-1);
    if (last?.kind === 'notice' && last.verb === verb && who) {
      if (last.people.some(({ id }) => id === who.id)) return;
      if (last.people.length < MAX_NAMED) last.people.push(who);
      else last.others += 1;
      last.ts = ts;
      return;
    }
    this.#push({ key: freshKey(), kind: 'notice', verb, people: who ? [who] : [], others: 0, text: '', ts });
  }

  // A line of text that nobody of the room wrote: `label` says what it is.
  announce(label, text, ts) {
    const entry = { key: freshKey(), kind: 'announcement', label, text, ts };
    this.#push(entry);
    return entry;
  }

  // Puts a message at the end of what is to be sent.
  queue({ text = '', blob = null, state = 'queued', words = '', after = this.newest, patient = false }) {
    const file = blob ? { name: blob.name, mime: blob.type || 'application/octet-stream', size: blob.size } : null;
    const out = { key: freshKey(), kind: blob ? 'file' : 'chat', text, blob, file, state, words, after, patient, ts: Date.now() / 1000, own: true };
    this.outgoing.push(out);
    return out;
  }

  discard(out) {
    const index = this.outgoing.indexOf(out);
    if (index >= 0) this.outgoing.splice(index, 1);
  }

  // Makes an outgoing message an entry without its echo, for when the server said yes in another way.
  settle(out, message) {
    this.discard(out);
    this.#push(this.#entryOf(message, out));
  }

  clear() {
    for (const entry of this.entries) release(entry.file);
    this.entries = [];
    this.outgoing = [];
    this.#chars = 0;
  }

  // For every message of a history the index of the entry that is the same message, or -1. An entry
  // stands for one message only: who says "ok" twice at once has said it twice.
  #match(history) {
    const taken = new Set();
    return history.map((message) => {
      const index = this.entries.findIndex((entry, i) => !taken.has(i) && same(entry, message));
      if (index >= 0) taken.add(index);
      return index;
    });
  }

  // The oldest of one's own messages under way that this is the echo of. Its words are compared, because
  // the copies to a room bear no `re`.
  // In a history it must be newer than all that was here when it was written, or somebody who says "ok" every
  // day would lose today's to yesterday's.
  #takeEcho(message, { old = false } = {}) {
    const out = this.outgoing.find((o) => o.state !== 'queued' && o.kind === message.kind && (!old || message.ts > o.after)
      && (o.kind === 'file'
        ? o.file.name === message.data.filename && o.file.size === message.data.file_size
        : o.text === message.text.trim()));
    if (out) this.discard(out);
    return out ?? null;
  }

  #entryOf(message, out) {
    const { kind, from, name, text, ts, own } = message;
    // The key of what was under way stays, and with it the element on the page.
    const entry = { key: out?.key ?? freshKey(), kind, from, name, text, ts, own, fromHistory: false, file: null };
    if (kind === 'file') entry.file = readFile(message.data, out?.blob);
    return entry;
  }

  // A live file came with its bytes; the history knows where it lies on the server.
  #learn(entry, message) {
    if (entry.file && !entry.file.remote) entry.file.remote = readFile({ ...message.data, file_data: undefined }).remote;
  }

  #push(entry) {
    this.entries.push(entry);
    this.#chars += entry.text.length;
    this.#prune();
  }

  #prune() {
    while (this.entries.length > MAX_ENTRIES || (this.#chars > MAX_CHARS && this.entries.length > 1)) {
      const oldest = this.entries.shift();
      this.#chars -= oldest.text.length;
      release(oldest.file);
    }
  }
}

const isMessage = (entry) => entry.kind === 'chat' || entry.kind === 'file';

function same(entry, message) {
  return entry.from === message.from && entry.kind === message.kind && Math.abs(entry.ts - message.ts) <= SAME_TIME_S
    && entry.text === message.text && (entry.file?.name ?? null) === (message.kind === 'file' ? String(message.data.filename ?? 'file') : null);
}

// What a `chat_message`, a `file_message` or an entry of the history says, in one shape.
export function readMessage(data, me) {
  const from = String(data.user_id ?? '');
  const kind = data.filename === undefined || data.filename === null ? 'chat' : 'file';
  return {
    kind, from, data,
    name: String(data.username || from),
    text: kind === 'chat' ? String(data.text ?? '') : '',
    ts: Number(data.timestamp) || Date.now() / 1000,
    own: from === me,
  };
}

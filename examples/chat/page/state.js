// What this window knows: who it is, its conversations, and which of them is open. What a reload must not
// take away is kept in sessionStorage, which belongs to one window, so that two windows can be two users.

import { Timeline } from './timeline.js';

const STORE = 'channels-chat';
// A browser gives about five million characters to all of it.
const MAX_STORED_PRIVATE = 200;
const MAX_STORED_CHARS = 1_000_000;

export const idOf = (kind, name) => `${kind}:${name}`;

class Conversation {
  timeline = new Timeline();
  draft = '';
  unread = 0;
  // The entry before which the line "New" stands.
  firstUnread = null;
  // Everything up to this time has been seen.
  seen = 0;
  // Words about what is wrong with the conversation as a whole.
  trouble = '';
  // A room only, as all below: whether this connection is a member right now, and whether the history has
  // been read since, so that what is queued may go.
  joined = false;
  ready = false;
  info = null;
  members = null;
  typing = new Map();

  constructor(kind, name, title = name) {
    this.kind = kind;
    this.name = name;
    this.title = title;
    this.id = idOf(kind, name);
  }
}

export class State {
  user = null;
  username = null;
  status = { state: 'connecting', words: 'Connecting…', retryAt: null };
  conversations = new Map();
  active = null;
  // The rooms of the server's list by name, joined or not.
  listed = new Map();
  #saving = 0;

  constructor(user) {
    this.user = user;
    this.username = user;
    this.notices = this.open('notices', 'notices', 'Notices');
  }

  get rooms() { return this.#ofKind('room'); }
  get privates() { return this.#ofKind('private'); }
  get unread() { return [...this.conversations.values()].reduce((sum, { unread }) => sum + unread, 0); }
  // What would be lost with the window: everything that has not reached the server.
  get unsent() { return [...this.conversations.values()].reduce((sum, { timeline }) => sum + timeline.outgoing.length, 0); }

  room(name) { return this.conversations.get(idOf('room', name)); }
  private(user) { return this.conversations.get(idOf('private', user)); }

  // The conversation of this kind and name, a new one if there is none.
  open(kind, name, title) {
    const id = idOf(kind, name);
    if (!this.conversations.has(id)) this.conversations.set(id, new Conversation(kind, name, title));
    return this.conversations.get(id);
  }

  close(conversation) {
    conversation.timeline.clear();
    this.conversations.delete(conversation.id);
    if (this.active === conversation) this.active = this.rooms[0] ?? null;
  }

  #ofKind(kind) { return [...this.conversations.values()].filter((conversation) => conversation.kind === kind); }

  // Saves soon: a burst of messages is one write.
  saveSoon() {
    this.#saving ||= setTimeout(() => this.save(), 300);
  }

  save() {
    clearTimeout(this.#saving);
    this.#saving = 0;
    const conversations = [...this.conversations.values()].filter(({ kind }) => kind !== 'notices').map((c) => ({
      kind: c.kind, name: c.name, title: c.title, draft: c.draft, seen: c.seen,
      // A file under way is not kept: its bytes would not fit. The page asks before it is closed then.
      outgoing: c.timeline.outgoing.filter((o) => o.kind === 'chat').map(({ text, state, words, after }) => ({ text, state, words, after })),
      // Rooms have a history on the server; a private conversation has it here only.
      messages: c.kind === 'private' ? newestWithin(c.timeline.entries) : undefined,
    }));
    store({ user: this.user, active: this.active?.id ?? null, conversations });
  }

  stop() {
    clearTimeout(this.#saving);
    for (const { timeline } of this.conversations.values()) timeline.clear();
  }

  restore({ conversations = [], active }) {
    for (const { kind, name, title, draft, seen, outgoing = [], messages = [] } of conversations) {
      const conversation = this.open(kind, name, title);
      conversation.draft = draft ?? '';
      conversation.seen = seen ?? 0;
      for (const { from, name: sender, text, ts, own } of messages) {
        conversation.timeline.receive({ kind: 'chat', from, name: sender, text, ts, own, data: {} });
      }
      // What was under way when the page went may have arrived: the history will tell, or nobody does.
      for (const out of outgoing) conversation.timeline.queue({ ...out, state: out.state === 'queued' || out.state === 'failed' ? out.state : 'unknown' });
    }
    this.active = this.conversations.get(active) ?? null;
  }
}

function newestWithin(entries) {
  let chars = 0;
  return entries.slice(-MAX_STORED_PRIVATE).reverse()
    .filter(({ text }) => (chars += text.length) <= MAX_STORED_CHARS).reverse()
    .map(({ from, name, text, ts, own }) => ({ from, name, text, ts, own }));
}

function store(value) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(value));
  } catch {
    // It does not fit, or storing is forbidden. Who this is and where is small, and goes before the rest.
    try {
      const conversations = value.conversations.map(({ kind, name, title, seen }) => ({ kind, name, title, seen }));
      sessionStorage.setItem(STORE, JSON.stringify({ ...value, conversations }));
    } catch { /* A reload then asks for the name again. */ }
  }
}

export function stored() {
  try {
    const value = JSON.parse(sessionStorage.getItem(STORE));
    return value && typeof value.user === 'string' ? value : null;
  } catch {
    return null;
  }
}

export function forget() {
  try { sessionStorage.removeItem(STORE); } catch { /* Then there was nothing to forget. */ }
}

// The chat itself: it turns the server's frames into state, and what the person does into requests. It
// draws nothing; `changed` says that there is something new to draw, `toast` that something must be said.

import { Connection, RequestError } from './connection.js';
import { readMessage } from './timeline.js';
import { toBase64, whenEvicted } from './files.js';

const HISTORY_LIMIT = 100;
// How far a gap reaches back in one step, over HTTP; the timeline holds no more anyway.
const GAP_LIMIT = 500;
// How often lists are asked for anew at most, and how often when nothing hints at a change: the server
// pushes neither its list of rooms nor who has become offline.
const LIST_GAP_MS = 3_000;
const LIST_POLL_MS = 15_000;
// A person who types is told again while it goes on, and forgotten by others a little later than that.
const TYPING_REPEAT_MS = 4_000;
const TYPING_IDLE_MS = 4_000;
const TYPING_SHOWN_MS = 7_000;
// An accepted message whose echo stays away this long is looked up in the history.
const ECHO_MS = 4_000;
const MAX_TRIES = 4;
// How long a room waits that could not be joined again as the servers could not reach each other.
const REJOIN_MS = 2_000;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const time = (data) => Number(data.timestamp) || Date.now() / 1000;

export class Client {
  #state; #changed; #toast; #connection;
  #typing = { room: null, sentAt: 0, timer: 0 };
  #poll = 0;
  #refreshRooms = spaced(() => this.#listRooms());
  #refreshMembers = spaced(() => this.#askMembers(this.#state.active));

  constructor(state, { changed, signedOut, toast }) {
    this.#state = state;
    this.#changed = changed;
    this.#toast = toast;
    this.#connection = new Connection({
      user: state.user,
      onFrame: (frame) => this.#receive(frame),
      onState: (status) => this.#connectionIs(status),
      onSignedOut: signedOut,
    });
  }

  start() {
    // The place of a file on the server is in the history only.
    whenEvicted(spaced(() => { for (const room of this.#state.rooms) if (room.ready) this.#readHistory(room).catch(() => {}); }));
    this.#poll = setInterval(() => { if (document.visibilityState === 'visible') this.#listRooms(); }, LIST_POLL_MS);
    this.#connection.start();
  }

  stop() {
    clearInterval(this.#poll);
    clearTimeout(this.#typing.timer);
    this.#connection.end();
  }

  reconnect() { this.#connection.retryNow(); }

  // ---- What the person does ----

  open(conversation) {
    const before = this.#state.active;
    if (before === conversation) return;
    this.stopTyping();
    if (before) before.firstUnread = null;
    this.#state.active = conversation;
    this.seen();
    this.#showMembers();
    this.#state.saveSoon();
    this.#changed({ now: true });
  }

  // What is before the person's eyes has been seen.
  seen() {
    const { active } = this.#state;
    if (!active || document.visibilityState !== 'visible') return;
    active.unread = 0;
    active.seen = Math.max(active.seen, active.timeline.newest);
    this.#state.saveSoon();
    this.#changed();
  }

  // Throws in words when the server refuses. Without a connection the room is joined as soon as there is one.
  async join(name) {
    const room = this.#state.room(name);
    if (!this.#connection.online) this.#state.open('room', name);
    else if (!room?.joined) await this.#ask('join_room', { room: name }).catch((error) => this.#unlessJoined(name, error));
    if (this.#state.room(name)) this.open(this.#state.room(name));
  }

  // A room may be joined twice at once, by hand and after a reconnect; the second is refused, and need not care.
  #unlessJoined(name, error) {
    if (!this.#state.room(name)?.joined) throw error;
  }

  async create(name, isPublic) {
    await this.#connection.request('create_room', { room_name: name, is_public: isPublic });
    if (this.#state.room(name)) this.open(this.#state.room(name));
  }

  async leave(room) {
    this.stopTyping();
    if (room.joined) {
      try {
        await this.#connection.request('leave_room', { room: room.name });
      } catch (error) {
        // Without a connection there is no membership either, and nothing to be told.
        if (!error.lost && error.code !== 'OFFLINE') throw error;
      }
    }
    this.#forget(room);
  }

  // Closes the conversation in this window; there is nothing to be told to the server.
  closePrivate(conversation) { this.#forget(conversation); }

  send(conversation, { text = '', blob = null }) {
    this.stopTyping();
    const out = conversation.timeline.queue({ text, blob });
    // What could not go at once is patient: a rate limit delays it. What could go is failed by one, in words.
    out.patient = !this.#mayDeliver(conversation);
    conversation.firstUnread = null;
    this.#state.saveSoon();
    this.#changed();
    this.#flush(conversation);
  }

  retry(conversation, out) {
    Object.assign(out, { state: 'queued', words: '', patient: true });
    this.#changed();
    this.#flush(conversation);
  }

  discard(conversation, out) {
    conversation.timeline.discard(out);
    this.#state.saveSoon();
    this.#changed();
  }

  typed(room, text) {
    if (room.kind !== 'room' || !room.joined) return;
    if (text.trim() === '') return this.stopTyping();
    const now = Date.now();
    if (this.#typing.room !== room || now - this.#typing.sentAt > TYPING_REPEAT_MS) {
      this.#typing.room = room;
      this.#typing.sentAt = now;
      this.#connection.send('typing_start', { room: room.name });
    }
    clearTimeout(this.#typing.timer);
    this.#typing.timer = setTimeout(() => this.stopTyping(), TYPING_IDLE_MS);
  }

  stopTyping() {
    clearTimeout(this.#typing.timer);
    const { room } = this.#typing;
    this.#typing.room = null;
    if (room?.joined) this.#connection.send('typing_stop', { room: room.name });
  }

  // Fetches what stood in a gap. The socket gives the newest hundred only, HTTP more.
  async fillGap(room, gap) {
    Object.assign(gap, { state: 'loading', words: '' });
    this.#changed();
    try {
      // A name that is a step in a path cannot be asked for by one.
      if (room.name === '.' || room.name === '..') throw new Error('The earlier messages of this room can’t be fetched.');
      const answer = await fetch(`/api/rooms/${encodeURIComponent(room.name)}/messages?limit=${GAP_LIMIT}`, { cache: 'no-store' });
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(body.message || 'The earlier messages can’t be fetched right now.');
      room.timeline.removeGap(gap);
      room.timeline.merge(this.#messages(body.messages));
    } catch (error) {
      const words = error instanceof TypeError ? 'The server can’t be reached.' : error.message;
      Object.assign(gap, { state: 'open', words });
    }
    this.#changed();
  }

  // ---- The connection ----

  #connectionIs(status) {
    this.#state.status = status;
    if (status.state !== 'online') {
      this.#typing.room = null;
      for (const room of this.#state.rooms) {
        room.joined = room.ready = false;
        room.typing.clear();
      }
    }
    this.#changed();
  }

  // Membership belongs to a connection, so a new one joins every room again.
  #welcome({ username }) {
    if (typeof username === 'string' && username) this.#state.username = username;
    for (const room of this.#state.rooms) this.#rejoin(room);
    for (const conversation of this.#state.privates) {
      this.#failUnknown(conversation);
      this.#flush(conversation);
    }
    this.#listRooms();
  }

  async #rejoin(room) {
    try {
      await this.#ask('join_room', { room: room.name });
    } catch (error) {
      if (error.lost || error.code === 'OFFLINE' || room.joined) return;
      room.trouble = `This room could not be joined again: ${error.message}`;
      this.#failUnknown(room);
      this.#changed();
      // What keeps the servers from each other passes.
      if (error.code === 'BACKEND_ERROR') {
        await wait(REJOIN_MS);
        if (this.#connection.online && !room.joined && this.#state.rooms.includes(room)) this.#rejoin(room);
      }
    }
  }

  // A request that may be made again without harm waits for a rate limit instead of failing on it.
  async #ask(type, data) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connection.request(type, data);
      } catch (error) {
        if (error.code !== 'RATE_LIMIT_EXCEEDED' || attempt === MAX_TRIES) throw error;
        await wait((error.retryAfterMs ?? 1_000) + Math.random() * 500);
      }
    }
  }

  // ---- What goes out ----

  #mayDeliver(conversation) {
    return this.#connection.online && (conversation.kind === 'private' || conversation.ready);
  }

  // Sends what is queued, one after the other, so that the order stays whatever is refused.
  async #flush(conversation) {
    if (conversation.flushing) return;
    conversation.flushing = true;
    for (;;) {
      const out = conversation.timeline.outgoing.find(({ state }) => state === 'queued');
      if (!out || !this.#mayDeliver(conversation)) break;
      await this.#deliver(conversation, out);
    }
    conversation.flushing = false;
  }

  async #deliver(conversation, out) {
    out.state = 'sending';
    this.#changed();
    try {
      if (conversation.kind === 'private') {
        await this.#connection.request('private_message', { target_user_id: conversation.name, text: out.text });
      } else if (out.kind === 'file') {
        const { name, mime, size } = out.file;
        const file_data = await toBase64(out.blob);
        // Reading takes a while, in which the connection may have gone and come.
        if (!this.#mayDeliver(conversation)) throw new RequestError('', { code: 'OFFLINE' });
        await this.#connection.request('file_message', { room: conversation.name, filename: name, mime_type: mime, file_size: size, file_data });
      } else {
        await this.#connection.request('chat_message', { room: conversation.name, text: out.text });
      }
      if (conversation.timeline.outgoing.includes(out)) {
        out.state = 'accepted';
        setTimeout(() => this.#missEcho(conversation, out), ECHO_MS);
      }
    } catch (error) {
      await this.#notDelivered(conversation, out, error);
    }
    this.#state.saveSoon();
    this.#changed();
  }

  async #notDelivered(conversation, out, error) {
    if (error.code === 'OFFLINE') {
      out.state = 'queued';
    } else if (error.lost) {
      // It may have arrived all the same; the history will tell.
      out.state = 'unknown';
      if (conversation.kind === 'private') this.#failUnknown(conversation);
    } else if (error.code === 'RATE_LIMIT_EXCEEDED' && out.patient) {
      out.state = 'queued';
      this.#changed();
      await wait((error.retryAfterMs ?? 1_000) + 100);
    } else {
      out.state = 'failed';
      out.words = error.message;
    }
  }

  async #missEcho(conversation, out) {
    const { timeline } = conversation;
    if (out.state !== 'accepted' || !timeline.outgoing.includes(out)) return;
    if (conversation.ready) await this.#readHistory(conversation).catch(() => {});
    if (!timeline.outgoing.includes(out)) return;
    const { user, username } = this.#state;
    const data = out.file ? { filename: out.file.name, mime_type: out.file.mime, file_size: out.file.size } : {};
    timeline.settle(out, { kind: out.kind, from: user, name: username, text: out.text, ts: out.ts, own: true, data });
    this.#changed();
  }

  #failUnknown({ timeline }) {
    for (const out of timeline.outgoing) {
      if (out.state !== 'unknown') continue;
      out.state = 'failed';
      out.words = 'The connection broke before the server confirmed this.';
    }
  }

  // ---- What comes in ----

  #receive(frame) {
    const { type, data } = frame;
    const room = typeof data.room === 'string' ? this.#state.room(data.room) : undefined;
    switch (type) {
      case 'welcome': this.#welcome(data); break;
      case 'room_joined': case 'room_created': this.#joined(data); break;
      case 'room_info': if (room) room.info = data; this.#refreshRooms(); break;
      case 'room_left': if (room) this.#forget(room); break;
      case 'user_joined_room': this.#moved(room, 'joined', data); break;
      case 'user_left_room': this.#moved(room, 'left', data); break;
      case 'user_left': this.#moved(room, 'disconnected', data); break;
      case 'chat_message': case 'file_message': if (room) this.#message(room, data); break;
      case 'private_message': this.#private(data.from_user_id, data.from_username, data); break;
      case 'private_message_sent': this.#private(data.to_user_id, data.to_username, { ...data, from_user_id: this.#state.user }); break;
      case 'rooms_list': this.#state.listed = new Map(list(data.rooms).filter(({ name }) => typeof name === 'string').map((r) => [r.name, r])); break;
      case 'room_users': if (room) room.members = list(data.users); break;
      case 'user_typing_start': this.#othersType(room, data, true); break;
      case 'user_typing_stop': this.#othersType(room, data, false); break;
      case 'announcement': this.#notice('Announcement', data); break;
      case 'notification': this.#notice('Notification', data); break;
      case 'background_update': this.#update(data); break;
      case '$dropped': this.#dropped(data); break;
      case 'error': this.#error(frame); break;
    }
    this.#changed();
  }

  #joined(data) {
    const { room: name } = data;
    if (typeof name !== 'string') return;
    const room = this.#state.open('room', name);
    if (room.joined) return;
    room.joined = true;
    room.trouble = '';
    // What was said before one came for the first time is not unread.
    room.seen ||= time(data);
    this.#state.saveSoon();
    this.#catchUp(room);
    if (this.#state.active === room) this.#showMembers();
  }

  // Reads what was missed, and then lets go what is queued: only then is it known what had arrived.
  async #catchUp(room) {
    try {
      await this.#readHistory(room);
    } catch (error) {
      if (error.lost || error.code === 'OFFLINE') return;
      room.timeline.addGap(`The earlier messages could not be fetched: ${error.message}`);
    }
    if (!room.joined) return;
    this.#failUnknown(room);
    room.ready = true;
    this.#changed();
    this.#flush(room);
  }

  async #readHistory(room) {
    const { data } = await this.#ask('get_message_history', { room: room.name, limit: HISTORY_LIMIT });
    const messages = this.#messages(data.messages);
    const added = room.timeline.merge(messages, { full: messages.length >= HISTORY_LIMIT });
    const missed = added.filter(({ own, ts }) => !own && ts > room.seen);
    if (missed.length > 0) this.#mark(room, missed[0], missed.length);
    this.#changed();
  }

  #messages(value) { return list(value).map((data) => readMessage(data, this.#state.user)); }

  #message(room, data) {
    const message = readMessage(data, this.#state.user);
    room.typing.delete(message.from);
    const entry = room.timeline.receive(message);
    if (entry && !message.own) this.#mark(room, entry, 1);
    else this.#state.saveSoon();
  }

  #private(peer, title, data) {
    if (typeof peer !== 'string' || peer === '') return;
    const own = data.from_user_id === this.#state.user;
    // What this user wrote to itself comes twice, as sent and as received; one is enough.
    if (own && peer === this.#state.user && data.from_username !== undefined) return;
    const conversation = this.#state.open('private', peer, title || peer);
    conversation.title = title || conversation.title;
    const from = own ? this.#state.user : peer;
    const name = own ? this.#state.username : conversation.title;
    const entry = conversation.timeline.receive({ kind: 'chat', from, name, text: String(data.text ?? ''), ts: time(data), own, data });
    if (!own) this.#mark(conversation, entry, 1);
    this.#state.saveSoon();
  }

  // Something new from others: unread, unless it is before the person's eyes.
  #mark(conversation, entry, count) {
    const watched = this.#state.active === conversation && document.visibilityState === 'visible';
    if (watched) {
      conversation.seen = Math.max(conversation.seen, conversation.timeline.newest);
    } else {
      if (conversation.unread === 0) conversation.firstUnread = entry.key;
      conversation.unread += count;
    }
    this.#state.saveSoon();
  }

  #moved(room, verb, data) {
    if (!room || typeof data.user_id !== 'string') return;
    room.typing.delete(data.user_id);
    if (data.user_id !== this.#state.user) room.timeline.notice(verb, { id: data.user_id, name: String(data.username || data.user_id) }, time(data));
    if (room === this.#state.active) this.#refreshMembers();
    this.#refreshRooms();
  }

  #othersType(room, { user_id: id, username }, typing) {
    if (!room || typeof id !== 'string' || id === this.#state.user) return;
    clearTimeout(room.typing.get(id)?.timer);
    room.typing.delete(id);
    if (!typing) return;
    // Somebody whose "stop" got lost does not type for ever.
    const timer = setTimeout(() => { room.typing.delete(id); this.#changed(); }, TYPING_SHOWN_MS);
    room.typing.set(id, { name: String(username || id), timer });
  }

  #notice(label, data) {
    const { notices } = this.#state;
    const entry = notices.timeline.announce(label, String(data.message ?? ''), time(data));
    this.#mark(notices, entry, 1);
    this.#toast({ label, words: entry.text });
  }

  #update({ group, data, timestamp }) {
    const words = typeof data?.message === 'string' ? data.message : JSON.stringify(data ?? {});
    const where = this.#state.room(group) ?? this.#state.notices;
    const entry = where.timeline.announce(where.kind === 'room' ? 'Update' : `Update for ${group}`, words, time({ timestamp }));
    this.#mark(where, entry, 1);
  }

  #dropped({ count, group }) {
    const room = this.#state.room(group);
    const words = `${Number(count) || 'Some'} messages were skipped, because this connection was too slow for them.`;
    if (!room) return this.#toast({ label: 'Skipped', words });
    room.timeline.announce('Skipped', words, Date.now() / 1000);
    if (room.ready) this.#readHistory(room).catch(() => {});
  }

  // An error that answers a request is shown by who asked. One about typing would only disturb.
  #error({ data, answers }) {
    if (answers || String(data.message_type ?? '').startsWith('typing_') || data.message_type === 'ping') return;
    this.#toast({ label: 'Error', words: String(data.message ?? 'The server reported an error.'), error: true });
  }

  #listRooms() { if (this.#connection.online) this.#ask('list_rooms').catch(() => {}); }

  // Asks at once for members that were never seen, and at leisure for those that may have changed.
  #showMembers() {
    if (this.#state.active?.members) this.#refreshMembers();
    else this.#askMembers(this.#state.active);
  }

  #askMembers(room) {
    if (room?.kind !== 'room' || !room.joined) return;
    this.#ask('get_room_users', { room: room.name }).catch((error) => {
      if (error instanceof RequestError && !error.lost && error.code !== 'OFFLINE') {
        this.#toast({ label: 'Members', words: `Who is in ${room.name} could not be fetched: ${error.message}`, error: true });
      }
    });
  }

  #forget(conversation) {
    if (!this.#state.conversations.has(conversation.id)) return;
    conversation.joined = conversation.ready = false;
    const wasActive = this.#state.active === conversation;
    this.#state.close(conversation);
    if (wasActive) this.seen();
    if (wasActive) this.#showMembers();
    this.#refreshRooms();
    this.#state.saveSoon();
    this.#changed({ now: wasActive });
  }
}

const list = (value) => (Array.isArray(value) ? value.filter((item) => item !== null && typeof item === 'object') : []);

// Runs soon after it is asked to, but never more often than every LIST_GAP_MS: a crowd that comes and
// goes is a few requests, not one a head.
function spaced(run) {
  let last = 0;
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      last = Date.now();
      run();
    }, Math.max(120, last + LIST_GAP_MS - Date.now()));
  };
}

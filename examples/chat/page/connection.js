// The connection to the server: it opens the socket, keeps it alive, comes back after a loss, and pairs
// requests with their answers. It knows the envelope of the protocol, but nothing about rooms.

import { mustSignIn, whoAmI } from './login.js';

const PROTOCOL = 'channels.v1.json';

// How long the socket may take to open and say `welcome` before the attempt counts as failed.
const HANDSHAKE_MS = 10_000;
// How long a request may stay unanswered, counted from when its last byte left the buffer.
const ANSWER_MS = 15_000;
// After this silence the server is asked for a sign of life, and has this long to give one. A browser
// does not show the server's own pings to a page, so only this finds a cable that was pulled.
const IDLE_MS = 25_000;
const PROBE_MS = 10_000;
// A connection that lasted this long was a good one: the count of attempts begins anew. A shorter one
// must not reset it, or a server that accepts and closes at once would be called without pause.
const STABLE_MS = 10_000;
const LONGEST_DELAY_MS = 60_000;
// A browser counts no further: what is longer is over at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1 - LONGEST_DELAY_MS;
// The policy until a server has told its own.
const FIRST_POLICY = { max_attempts: 0, delay_ms: 1_000 };

// A request that failed: the server's own words, or `lost` when nobody knows whether it arrived.
export class RequestError extends Error {
  constructor(message, { code = null, retryAfterMs = null, lost = false } = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.lost = lost;
  }
}

// Which ends of a connection ask for another one. 1005, 1014 and 1015 are no answer of the application,
// so that they count as a fault of the way, like 1006.
export function mayReconnect(code) {
  if (code >= 4000 && code <= 4499) return true;
  return [1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015].includes(code);
}

function wordsForClose(code, reason) {
  switch (code) {
    case 1001: case 1012: return 'The server is restarting.';
    case 1011: return 'The server had a fault.';
    case 1013: return 'The server has too much to do right now.';
    case 1000: return 'The server ended the connection.';
    case 1008: return reason ? `The server refused the connection: ${reason}` : 'The server refused the connection.';
    case 1003: case 1007: case 1009: return 'The server could not take what this page sent.';
    case 4408: return 'The server heard nothing from this page for too long.';
    case 4413: return 'This connection was too slow for what it had to receive.';
    case 4501: return reason ? `The server closed the connection: ${reason}` : 'The server closed the connection.';
    default: return reason || 'The connection was lost.';
  }
}

// Calls `onFrame(frame)` for every frame, before the request it answers is settled, and `onState(status)`
// with {state: connecting | online | offline | closed, words, retryAt} on every change. `onSignedOut(user)` is
// for a login that is not this user's any more, with whose it is, or null.
export class Connection {
  #user; #onFrame; #onState; #onSignedOut;
  #socket = null;
  #policy = FIRST_POLICY;
  #attempts = 0;
  // When the server that went told this client to come back; nobody is awaited sooner.
  #toldAt = null;
  // Until when the last error asked to wait, and until when nobody is awaited since that was the end.
  #askedUntil = 0;
  #refusedUntil = 0;
  #heardAt = 0;
  #probedAt = 0;
  #buffered = 0;
  #nextId = 1;
  #requests = new Map();
  #timers = { retry: 0, handshake: 0, stable: 0, tick: 0 };
  #ended = false;
  status = { state: 'connecting', words: 'Connecting…', retryAt: null };

  constructor({ user, onFrame, onState, onSignedOut }) {
    this.#user = user;
    this.#onFrame = onFrame;
    this.#onState = onState;
    this.#onSignedOut = onSignedOut;
    this.onOnline = () => { if (this.#mayGoAtOnce()) this.retryNow(); };
    this.onVisible = () => {
      if (document.visibilityState !== 'visible') return;
      if (this.#mayGoAtOnce()) this.retryNow();
      else this.#checkLife();
    };
  }

  get online() { return this.status.state === 'online'; }
  get sendingBytes() { return this.#socket?.bufferedAmount ?? 0; }

  start() {
    addEventListener('online', this.onOnline);
    document.addEventListener('visibilitychange', this.onVisible);
    this.#timers.tick = setInterval(() => this.#tick(), 1_000);
    this.#open();
  }

  // Ends the connection for good, as signing out does.
  end() {
    this.#ended = true;
    removeEventListener('online', this.onOnline);
    document.removeEventListener('visibilitychange', this.onVisible);
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#detach()?.close(1000, 'signed out');
    this.#failRequests();
  }

  // Without being asked by the user: not before this client's turn, where it was told one.
  #mayGoAtOnce() {
    return this.status.state === 'offline' && Date.now() >= Math.max(this.#toldAt ?? 0, this.#refusedUntil);
  }

  retryNow() {
    if (this.status.state !== 'offline' && this.status.state !== 'closed') return;
    if (this.status.state === 'closed') this.#attempts = 0;
    this.#open();
  }

  // Sends without asking for an answer; says whether there was a connection to send on.
  send(type, data) {
    if (!this.online) return false;
    this.#socket.send(JSON.stringify({ type, data }));
    return true;
  }

  // Resolves with the frame that bears this request's `re`; rejects with a RequestError.
  request(type, data) {
    if (!this.online) return Promise.reject(new RequestError('There is no connection right now.', { code: 'OFFLINE' }));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject, deadline: Date.now() + ANSWER_MS });
      this.#socket.send(JSON.stringify({ type, data, id }));
    });
  }

  #open() {
    clearTimeout(this.#timers.retry);
    this.#toldAt = null;
    this.#askedUntil = 0;
    this.#refusedUntil = 0;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/ws/${encodeURIComponent(this.#user)}`, [PROTOCOL]);
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => { opened = true; };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason, opened);
    this.#timers.handshake = setTimeout(() => { this.#detach()?.close(); this.#lost(1006, '', opened); }, HANDSHAKE_MS);
    this.#setStatus('connecting', this.#attempts ? 'Reconnecting…' : 'Connecting…');
  }

  #receive(raw) {
    this.#heardAt = Date.now();
    if (typeof raw !== 'string') return;
    let frame;
    try { frame = JSON.parse(raw); } catch { frame = null; }
    if (frame === null || typeof frame !== 'object' || typeof frame.type !== 'string') {
      console.warn('A frame of the server could not be read.');
      return;
    }
    const data = frame.data !== null && typeof frame.data === 'object' ? frame.data : {};
    frame.data = data;
    if (frame.type === 'welcome') this.#welcome(data);
    if (frame.type === '$reconnect') this.#toldAt = Date.now() + Math.max(0, Number(data.after_ms) || 0);
    if (frame.type === 'error') this.#askedUntil = Date.now() + Math.max(0, Number(data.retry_after_ms) || 0);
    const request = this.#requests.get(frame.re);
    frame.answers = request !== undefined;
    try {
      this.#onFrame(frame);
    } finally {
      if (request) {
        this.#requests.delete(frame.re);
        if (frame.type === 'error') request.reject(asError(data));
        else request.resolve(frame);
      }
    }
  }

  #welcome({ reconnect }) {
    clearTimeout(this.#timers.handshake);
    const attempts = Number(reconnect?.max_attempts);
    const delay = Number(reconnect?.delay_ms);
    this.#policy = {
      max_attempts: Number.isInteger(attempts) && attempts >= 0 ? attempts : FIRST_POLICY.max_attempts,
      delay_ms: delay > 0 ? Math.min(delay, LONGEST_DELAY_MS) : FIRST_POLICY.delay_ms,
    };
    this.#probedAt = 0;
    this.#timers.stable = setTimeout(() => { this.#attempts = 0; }, STABLE_MS);
    this.#setStatus('online', 'Online');
  }

  #lost(code, reason, opened) {
    clearTimeout(this.#timers.handshake);
    clearTimeout(this.#timers.stable);
    this.#detach();
    if (this.#ended) return;
    if (code === 1013) this.#refusedUntil = this.#askedUntil;
    const words = wordsForClose(code, reason);
    const { max_attempts: most } = this.#policy;
    if (!mayReconnect(code)) {
      this.#setStatus('closed', words);
      this.#checkLogin();
    } else if (most > 0 && this.#attempts >= most) {
      this.#setStatus('closed', `${words} ${most === 1 ? 'One attempt' : `${most} attempts`} to reconnect failed.`);
    } else {
      const delay = this.#delay(code);
      this.#attempts += 1;
      this.#timers.retry = setTimeout(() => this.#open(), delay);
      this.#setStatus('offline', opened ? words : 'The server can’t be reached.', Date.now() + delay);
      if (!opened) this.#explainRefusal();
    }
    this.#failRequests();
  }

  // Full jitter: anything between nothing and the exponential delay, so that the clients of a server that
  // fell do not come back as one. 1013 asks for "later", which is at least one delay, and as long as the error before
  // it said. `$reconnect` names this
  // client's own turn, to which chance adds nothing; when that attempt fails, it is as after any other.
  #delay(code) {
    const base = this.#policy.delay_ms;
    const jitter = Math.random() * Math.min(LONGEST_DELAY_MS, base * 2 ** Math.min(this.#attempts, 16));
    if (this.#toldAt !== null) return Math.max(0, this.#toldAt - Date.now());
    const refusedFor = Math.min(this.#refusedUntil - Date.now(), LONGEST_TIMER_MS);
    return code === 1013 ? Math.max(base, refusedFor) + jitter : jitter;
  }

  // A browser does not tell a page why an upgrade was refused. Whether the server is ready tells most of it.
  async #explainRefusal() {
    const { retryAt } = this.status;
    let words;
    try {
      const answer = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(3_000) });
      if (answer.ok) words = 'The server refuses this connection. Perhaps there are too many.';
      else if (answer.status === 503) words = 'The server is restarting.';
    } catch { /* It can't be reached, as was said. */ }
    if (words && await this.#checkLogin()) return;
    if (words && this.status.state === 'offline' && this.status.retryAt === retryAt) this.#setStatus('offline', words, retryAt);
  }

  // Whether the server refuses this user because the login has ended.
  async #checkLogin() {
    // Asked also where no login was needed: that may have changed, or the page could not ask when it began.
    const now = await whoAmI().catch(() => this.#user);
    if (!mustSignIn() || now === this.#user || this.#ended) return false;
    this.#onSignedOut(now);
    return true;
  }

  #tick() {
    const now = Date.now();
    const buffered = this.sendingBytes;
    // A large file on a slow line is life too, and no answer can come before it has left. One look is not
    // enough to tell: what was sent a moment ago stands in the buffer for a moment as well.
    const uploading = buffered > 0 && this.#buffered > 0;
    if (uploading && buffered < this.#buffered) this.#heardAt = now;
    this.#buffered = buffered;
    for (const [id, request] of this.#requests) {
      if (uploading) request.deadline = now + ANSWER_MS;
      else if (now > request.deadline) {
        this.#requests.delete(id);
        request.reject(new RequestError('The server did not answer.', { code: 'NO_ANSWER' }));
      }
    }
    this.#checkLife();
  }

  #checkLife() {
    if (!this.online) return;
    const now = Date.now();
    if (now - this.#heardAt < IDLE_MS) { this.#probedAt = 0; return; }
    if (this.#probedAt === 0) {
      this.#probedAt = now;
      this.send('ping');
    } else if (now - this.#probedAt > PROBE_MS) {
      this.#detach()?.close();
      this.#lost(1006, '', true);
    }
  }

  #detach() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    return socket;
  }

  #failRequests() {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject } of requests) reject(new RequestError('The connection was lost.', { code: 'LOST', lost: true }));
  }

  #setStatus(state, words, retryAt = null) {
    this.status = { state, words, retryAt };
    this.#onState(this.status);
  }
}

function asError({ error_code: code = 'SYSTEM_ERROR', message, retry_after_ms: retryAfterMs = null }) {
  return new RequestError(typeof message === 'string' && message ? message : 'The server reported an error.', { code, retryAfterMs });
}

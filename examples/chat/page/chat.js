// The page of the chat example, begun here: who signs in, and what belongs together. Plain modules, no build:
//
//   chat.js        this file: signing in and out, the rules for names, the page's own events
//   client.js      the chat: frames become state, what the person does becomes requests
//   connection.js  the socket: reconnecting, liveness, requests and their answers
//   login.js       who one is, where a cookie says so
//   state.js       what the window knows, and what a reload finds again
//   timeline.js    the messages of a conversation: history and live merged, echoes, limits of memory
//   files.js       reading, holding and releasing files
//   view.js        the page around the conversation
//   panel.js       a conversation on the page: log and field
//   dom.js         creating and reconciling elements
//
// Addresses: `/` asks for a name; `/?user=ada` signs in as ada, `/?room=rust` joins the room once signed in.
// The parameters leave the address then, and the window remembers the rest.
//
// Hooks for a browser test, by `data-testid`:
//
//   signin-name, signin-submit, signin-error, signout, me
//   connection-state       data-state: connecting | online | offline | closed
//   banner, reconnect      what is wrong with the connection or the room, and the button that tries again
//   room-list              items [data-room], data-joined true | false; data-unread = count, only if there are any;
//                          data-active only on the open one; inside: count
//   join-input, join-submit, join-error; create-name, create-private, create-submit, create-error; leave-room
//   title                  of the open conversation; empty: what stands there while none is open
//   message-log            messages [data-message] with data-from; data-own="true" on one's own;
//                          data-pending="true" only until the echo; data-state: queued | sending | accepted | unknown |
//                          failed | sent; inside a failed one: retry, discard; inside a file: file-link, file-picture
//   message-input, send, message-error, typing, attach, file-input (a chosen file is sent at once), jump
//   members                items [data-user], data-status online | offline; members-open opens them on a narrow screen
//   private-open-input, private-open-submit, private-open-error; private-list with items [data-peer], data-unread
//   private-log, private-input, private-send, private-error      as their like in rooms
//   notices                the row that opens notices-log
//   toast                  each one; sidebar-open opens the sidebar on a phone; confirm, confirm-yes, confirm-no

import { Client } from './client.js';
import * as login from './login.js';
import { forget, State, stored } from './state.js';
import { View } from './view.js';

const MAX_USER_CHARS = 128;
const MAX_ROOM_CHARS = 50;

let state = null;
let client = null;
let wantedRoom = null;
let drawing = 0;

// Says in words what is wrong with a name, as the server would.
function checkName(name, most, what) {
  if (name === '') throw new Error(`Type ${what} first.`);
  if ([...name].length > most) throw new Error(`At most ${most} characters, please; this has ${[...name].length}.`);
  if (/\p{Cc}/u.test(name)) throw new Error('There is a control character in it, which can’t be used here.');
  if (!name.isWellFormed()) throw new Error('There is half a character in it, which can’t be used here.');
}

function checkUser(name) {
  checkName(name, MAX_USER_CHARS, 'a name');
  // The name is a step in the socket's path, and a browser takes these two for steps up and down.
  if (name === '.' || name === '..') throw new Error('A name can’t consist of dots only.');
}

// Drawn soon, so that a burst of frames is one drawing. A timer and no animation frame, because a window in
// the background has none, but a title that counts what is unread. `now` is for another conversation being
// opened: what is typed right after belongs to it, and not to the one before.
function changed({ now = false } = {}) {
  if (now) draw();
  else drawing ||= setTimeout(draw, 16);
}

function draw() {
  clearTimeout(drawing);
  drawing = 0;
  if (state) view.render(state);
}

const sayIfRefused = (label) => (error) => view.toast({ label, words: error.message, error: true });

const view = new View({
  async signIn(name) {
    checkUser(name);
    await login.signIn(name);
    // Whoever was signed out meanwhile finds what was not sent.
    const session = login.mustSignIn() ? stored() : null;
    signIn(name, session?.user === name ? session : null);
  },
  async signOut() {
    const { unsent } = state;
    if (unsent > 0 && !await view.confirm('Sign out?', `${unsent === 1 ? 'One message has' : `${unsent} messages have`} not been sent and would be lost.`, 'Sign out')) return;
    signOut();
  },
  // The banner speaks of the connection first, and else of the room that could not be joined.
  reconnect() {
    if (state.status.state === 'online') client.join(state.active.name).catch((error) => { state.active.trouble = error.message; changed(); });
    else client.reconnect();
  },
  open: (conversation) => client.open(conversation),
  join: (name) => client.join(name).catch(sayIfRefused(`Join ${name}`)),
  async joinByName(name) {
    checkName(name, MAX_ROOM_CHARS, 'the name of a room');
    await client.join(name);
  },
  async create(name, isPublic) {
    checkName(name, MAX_ROOM_CHARS, 'a name for the room');
    await client.create(name, isPublic);
  },
  async leave(conversation) {
    const unsent = conversation.timeline.outgoing.length;
    const isRoom = conversation.kind === 'room';
    const title = isRoom ? `Leave ${conversation.title}?` : 'Close the conversation?';
    if (unsent > 0) {
      if (!await view.confirm(title, `${unsent === 1 ? 'One message has' : `${unsent} messages have`} not been sent and would be lost.`, isRoom ? 'Leave' : 'Close')) return;
    } else if (!isRoom && conversation.timeline.entries.length > 0) {
      if (!await view.confirm(title, 'Its messages are kept by this window only, and would be forgotten.', 'Close')) return;
    }
    if (isRoom) client.leave(conversation).catch(sayIfRefused(`Leave ${conversation.title}`));
    else client.closePrivate(conversation);
  },
  openPrivate: (id, name) => client.open(state.open('private', id, name)),
  openPrivateByName(name) {
    checkName(name, MAX_USER_CHARS, 'a name');
    if (name === state.user) throw new Error('That is you.');
    client.open(state.open('private', name));
  },
  send: (conversation, what) => client.send(conversation, what),
  typed(conversation, text) {
    client.typed(conversation, text);
    state.saveSoon();
  },
  retry: (conversation, out) => client.retry(conversation, out),
  discard: (conversation, out) => client.discard(conversation, out),
  fillGap: (conversation, gap) => client.fillGap(conversation, gap),
});

function signIn(user, session) {
  state = new State(user);
  if (session) state.restore(session);
  client = new Client(state, { changed, signedOut, toast: (toast) => view.toast(toast) });
  view.showChat();
  if (wantedRoom !== null) client.join(wantedRoom).catch(() => {});
  wantedRoom = null;
  state.save();
  client.start();
  view.render(state);
}

async function signOut() {
  const { user } = state;
  client.stop();
  state.save();
  const session = stored();
  state.stop();
  state = client = null;
  forget();
  try {
    await login.signOut();
    view.showSignin(user, '');
  } catch (error) {
    // The cookie is still there: whoever believes to be signed out would not be.
    signIn(user, session);
    sayIfRefused('Sign out')(error);
  }
}

// The login has ended elsewhere, or is somebody else's now. What was not sent waits for who comes back.
function signedOut(now) {
  const { user } = state;
  client.stop();
  state.save();
  state.stop();
  state = client = null;
  view.nameIsOfBrowser();
  view.showSignin(user, now ? `This browser is signed in as ${now} now.` : 'You have been signed out.');
}

document.addEventListener('visibilitychange', () => {
  if (state && document.visibilityState === 'visible') client.seen();
});
addEventListener('pagehide', () => state?.save());
// Words survive a reload in sessionStorage; a file on its way, or a window that closes, would lose something.
addEventListener('beforeunload', (event) => {
  const files = state && [...state.conversations.values()].some(({ timeline }) => timeline.outgoing.some(({ kind }) => kind === 'file'));
  if (files) event.preventDefault();
});
// A file that misses the conversation must not replace the page.
for (const type of ['dragover', 'drop']) {
  addEventListener(type, (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
  });
}

async function begin() {
  const parameters = new URLSearchParams(location.search);
  const user = parameters.get('user')?.trim();
  const room = parameters.get('room')?.trim();
  // A reload must come back to where the window was by then, not to where the link led.
  if (location.search) history.replaceState(null, '', location.pathname);
  try {
    if (room) checkName(room, MAX_ROOM_CHARS, 'the name of a room');
    wantedRoom = room || null;
  } catch { /* A link to a room that can't be is a link to the chat. */ }
  const session = stored();
  // Where that cannot be asked now, a refused connection asks again.
  const known = await login.whoAmI().catch(() => null);
  if (login.mustSignIn()) {
    view.nameIsOfBrowser();
    if (known !== null) signIn(known, session?.user === known ? session : null);
    else view.showSignin(user || session?.user || '');
  } else if (user && user !== session?.user) {
    try {
      checkUser(user);
      signIn(user, null);
    } catch (error) {
      view.showSignin(user, error.message);
    }
  } else if (session) {
    signIn(session.user, session);
  } else {
    view.showSignin('');
  }
}

begin();

// One conversation on the page: the log of its messages and the field to write in. The page has three of
// these, for rooms, for private conversations and for notices, and shows one at a time.

import { avatar, el, icon, reconcile, setAttribute, setText } from './dom.js';
import { formatBytes, isPicture, linkOf, refusal } from './files.js';

const MAX_TEXT_CHARS = 100_000;
// From here on the field says how many characters are left.
const COUNT_FROM_CHARS = 95_000;
// A longer message is shown by its beginning until somebody asks for the rest.
const EXCERPT_CHARS = 1_200;
const EXCERPT_LINES = 18;
// Messages of one person within this time stand under one name.
const GROUP_S = 300;
// So near to the end a reader is taken to follow what comes in.
const AT_END_PX = 60;
// More than this at once is a history, which a screen reader should not read out unasked.
const BULK = 4;
// A longer name is cut short in a sentence, where it would be most of it.
const MAX_NAME_CHARS = 32;
const TALLEST_FIELD_PX = 200;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export class Panel {
  #root; #parts = {}; #actions;
  #conversation = null;
  #following = true;
  #sizes = '';
  #newBelow = 0;
  #quiet = 0;

  // `actions`: send(conversation, {text} or {blob}), typed, retry, discard, fillGap.
  constructor(root, actions) {
    this.#root = root;
    this.#actions = actions;
    for (const part of root.querySelectorAll('[data-part]')) this.#parts[part.dataset.part] = part;
    const { log, entries, jump, input, composer } = this.#parts;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    jump.addEventListener('click', () => { this.#toEnd(); (input ?? log).focus(); });
    // Pictures, a keyboard on a phone and a turned phone change heights after the fact.
    const sizes = new ResizeObserver(() => {
      this.#resized();
      if (this.#following) this.#toEnd();
    });
    sizes.observe(log);
    sizes.observe(entries);
    if (composer) this.#wireComposer();
    if (this.#parts.file) this.#wireFiles();
  }

  focus() { (this.#parts.input ?? this.#parts.log).focus(); }

  hide() {
    this.#root.hidden = true;
    this.#conversation = null;
  }

  render(conversation, state) {
    const switched = this.#conversation !== conversation;
    this.#conversation = conversation;
    this.#root.hidden = false;
    this.#renderLog(conversation, state, switched);
    this.#renderTyping(conversation);
    const { input } = this.#parts;
    if (input && switched) {
      input.value = conversation.draft;
      this.#inputChanged();
      this.#say('');
    }
    if (input) setAttribute(input, 'placeholder', `Message ${conversation.title}`);
    if (this.#parts['drop-name']) setText(this.#parts['drop-name'], conversation.title);
  }

  // ---- The log ----

  #renderLog(conversation, state, switched) {
    const { entries, 'log-empty': empty } = this.#parts;
    const items = itemsOf(conversation, state);
    const known = entries.elementsByKey ?? new Map();
    const fresh = items.filter(({ key }) => !known.has(key));
    if (switched || fresh.length > BULK) this.#beQuiet();
    if (switched) entries.replaceChildren(), entries.elementsByKey = new Map();
    reconcile(entries, items, {
      key: ({ key }) => key,
      create: (item) => this.#create(item),
      update: (element, item) => this.#update(element, item),
    });
    setText(empty, items.length === 0 ? emptyWords(conversation) : '');
    if (switched) this.#arrive(conversation);
    else if (fresh.some(({ out }) => out?.state === 'queued' || out?.state === 'sending') || this.#following) this.#toEnd();
    else this.#newBelow += fresh.filter(({ entry }) => entry && entry.kind !== 'notice' && !entry.fromHistory).length;
    this.#renderJump();
  }

  // A live region speaks when it changes, so that filling it with what was said before goes in silence.
  #beQuiet() {
    const { log } = this.#parts;
    if (log.getAttribute('aria-live') === 'off' && !this.#quiet) return;
    clearTimeout(this.#quiet);
    log.setAttribute('aria-live', 'off');
    this.#quiet = setTimeout(() => { this.#quiet = 0; log.setAttribute('aria-live', 'polite'); }, 600);
  }

  #arrive(conversation) {
    this.#newBelow = 0;
    const line = this.#parts.entries.elementsByKey.get('new');
    if (line && conversation.firstUnread) {
      this.#following = false;
      line.scrollIntoView({ block: 'center' });
      this.#scrolled();
    } else {
      this.#toEnd();
    }
  }

  #toEnd() {
    const { log } = this.#parts;
    this.#following = true;
    this.#newBelow = 0;
    log.scrollTop = log.scrollHeight;
    this.#renderJump();
  }

  // Whoever reads the end follows it until they scroll away. Where sizes changed as well, it was the browser that
  // scrolled, because a banner went or a picture got its height; the observer of sizes brings the end back then.
  #scrolled() {
    const { log } = this.#parts;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_PX;
    if (atEnd || !this.#resized()) this.#following = atEnd;
    if (this.#following) this.#newBelow = 0;
    this.#renderJump();
  }

  // Whether the log or what is in it has other sizes than when this was asked before.
  #resized() {
    const { scrollHeight, clientHeight } = this.#parts.log;
    const sizes = `${scrollHeight} ${clientHeight}`;
    const resized = sizes !== this.#sizes;
    this.#sizes = sizes;
    return resized;
  }

  #renderJump() {
    const { jump, 'jump-words': words } = this.#parts;
    jump.hidden = this.#following;
    setText(words, this.#newBelow === 0 ? 'To the newest' : this.#newBelow === 1 ? '1 new message' : `${this.#newBelow} new messages`);
  }

  #create(item) {
    switch (item.kind) {
      case 'day': return el('li', { class: 'rule day' }, el('span', {}, item.text));
      case 'new': return el('li', { class: 'rule new' }, el('span', {}, 'New'));
      case 'gap': return this.#createGap(item);
      case 'notice': return el('li', { class: 'notice' });
      case 'announcement': return createAnnouncement(item.entry);
      default: return this.#createMessage(item);
    }
  }

  #createGap({ entry }) {
    const button = el('button', { class: 'button', onclick: () => this.#actions.fillGap(this.#conversation, entry) });
    return el('li', { class: 'gap' }, el('p', { role: 'status' }), button);
  }

  #createMessage({ message }) {
    const { kind, from, name, text } = message;
    const body = el('div', { class: 'message-body' },
      el('p', { class: 'message-head' }, el('bdi', { class: 'message-name', title: from }, name), el('time', { class: 'message-time' })));
    if (kind === 'chat') body.append(createText(text));
    else body.append(el('div', { class: 'file' }));
    return el('li', { class: 'message', 'data-from': from }, avatar(from, name), body);
  }

  #update(element, item) {
    if (item.kind === 'notice') setText(element, noticeWords(item.entry));
    else if (item.kind === 'gap') updateGap(element, item.entry);
    else if (item.message) this.#updateMessage(element, item);
  }

  #updateMessage(element, { message, out, continued, online }) {
    const pending = out && out.state !== 'failed';
    setAttribute(element, 'data-message', message.key);
    setAttribute(element, 'data-pending', pending ? 'true' : null);
    setAttribute(element, 'data-state', out ? out.state : 'sent');
    setAttribute(element, 'data-own', message.own ? 'true' : null);
    element.classList.toggle('continued', continued);
    const stamp = element.querySelector('time');
    const at = new Date(message.ts * 1000);
    if (stamp.dataset.ts !== String(message.ts) && !Number.isNaN(at.getTime())) {
      stamp.dataset.ts = message.ts;
      stamp.dateTime = at.toISOString();
      stamp.title = moment.format(at);
      setText(stamp, clock.format(at));
    }
    const body = element.querySelector('.message-body');
    if (message.file) updateFile(body.querySelector('.file'), message.file, out);
    this.#updateDelivery(body, out, online);
  }

  // What became of one's own message, in words under it.
  #updateDelivery(body, out, online) {
    let line = body.querySelector('.delivery');
    if (!out) return line?.remove();
    if (!line) {
      line = el('p', { class: 'delivery' }, el('span', { class: 'delivery-words', dir: 'auto' }));
      body.append(line);
    }
    setText(line.firstChild, deliveryWords(out, online));
    const failed = out.state === 'failed';
    // Whoever is deaf to colours hears a failure, and only a failure.
    setAttribute(line, 'role', failed ? 'alert' : null);
    setAttribute(line, 'aria-hidden', out.state === 'sending' || out.state === 'accepted' ? 'true' : null);
    const buttons = line.querySelectorAll('button');
    if (failed && buttons.length === 0) {
      const act = (what) => () => {
        this.focus();
        this.#actions[what](this.#conversation, out);
      };
      line.append(
        el('button', { class: 'link', 'data-testid': 'retry', onclick: act('retry') }, 'Try again'),
        el('button', { class: 'link', 'data-testid': 'discard', onclick: act('discard') }, 'Discard'));
    } else if (!failed) {
      for (const button of buttons) button.remove();
    }
  }

  #renderTyping({ typing }) {
    if (!this.#parts.typing) return;
    const names = [...typing.values()].map(({ name }) => name);
    const who = names.length > 3 ? [`${names.length} people`] : names;
    const parts = join(who);
    const words = who.length === 0 ? '' : `${parts.join('')} ${names.length === 1 ? 'is' : 'are'} typing…`;
    if (this.#parts.typing.dataset.words === words) return;
    this.#parts.typing.dataset.words = words;
    if (words === '') this.#parts.typing.replaceChildren();
    else {
      this.#parts.typing.replaceChildren(el('span', { class: 'typing-dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i')),
        el('span', { class: 'typing-words' }, ...parts.map((part, i) => (i % 2 === 0 ? el('bdi', {}, part) : part)), names.length === 1 ? ' is typing…' : ' are typing…'));
    }
  }

  // ---- The field ----

  #wireComposer() {
    const { composer, input } = this.#parts;
    composer.addEventListener('submit', (event) => { event.preventDefault(); this.#submit(); });
    input.addEventListener('input', () => {
      this.#inputChanged();
      if (!this.#conversation) return;
      this.#conversation.draft = input.value;
      this.#actions.typed(this.#conversation, input.value);
    });
    input.addEventListener('keydown', (event) => {
      // Enter also ends the choice of a character in an input method, which is no message yet.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    // A press of the button must not take the focus away, or the keyboard of a phone goes down and up.
    this.#parts.send.addEventListener('pointerdown', (event) => { if (document.activeElement === input) event.preventDefault(); });
  }

  #submit() {
    const { input } = this.#parts;
    const text = input.value.trim();
    if (text === '' || !this.#conversation) return;
    if ([...text].length > MAX_TEXT_CHARS) return this.#inputChanged();
    const conversation = this.#conversation;
    input.value = '';
    conversation.draft = '';
    this.#inputChanged();
    this.#say('');
    this.#actions.send(conversation, { text });
  }

  #inputChanged() {
    const { input, counter } = this.#parts;
    input.style.height = 'auto';
    input.style.height = `${Math.min(TALLEST_FIELD_PX, input.scrollHeight)}px`;
    // Counting by characters walks the text, which is only worth it when it may be too long.
    const count = input.value.length > COUNT_FROM_CHARS ? [...input.value.trim()].length : 0;
    const over = count > MAX_TEXT_CHARS;
    setText(counter, count > COUNT_FROM_CHARS ? `${count.toLocaleString()} of ${MAX_TEXT_CHARS.toLocaleString()} characters` : '');
    setAttribute(input, 'aria-invalid', over ? 'true' : null);
    if (over) this.#say(`This message is ${(count - MAX_TEXT_CHARS).toLocaleString()} characters too long.`);
    else if (input.value !== '') this.#say('');
  }

  #say(words) { setText(this.#parts.error, words); }

  // ---- Files ----

  #wireFiles() {
    const { file, attach, input, drop } = this.#parts;
    attach.addEventListener('click', () => file.click());
    file.addEventListener('change', () => {
      this.#sendFiles(file.files);
      // The same file may be chosen again.
      file.value = '';
      input.focus();
    });
    input.addEventListener('paste', (event) => {
      if (event.clipboardData.files.length === 0 || event.clipboardData.types.includes('text/plain')) return;
      event.preventDefault();
      this.#sendFiles(event.clipboardData.files);
    });
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    const show = (on) => drop.classList.toggle('shown', on);
    this.#root.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(true);
    });
    this.#root.addEventListener('dragleave', (event) => { if (!this.#root.contains(event.relatedTarget)) show(false); });
    this.#root.addEventListener('drop', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(false);
      this.#sendFiles(event.dataTransfer.files);
    });
  }

  #sendFiles(files) {
    const refused = [];
    for (const file of files) {
      const words = refusal(file);
      if (words) refused.push(words);
      else this.#actions.send(this.#conversation, { blob: file });
    }
    this.#say(refused.join(' '));
  }
}

// ---- What stands in the log ----

// The rows of the log: the entries with a line for every day, a line before what is new, and below them
// what is under way. A row that shows a message says whether it continues the one above.
function itemsOf({ timeline, firstUnread }, state) {
  const items = [];
  const online = state.status.state === 'online';
  let before = null;
  let date = null;
  const add = (message, out) => {
    const at = new Date(message.ts * 1000);
    const today = at.toDateString();
    if (message.kind !== 'gap' && today !== date) {
      date = today;
      items.push({ key: `day ${today}`, kind: 'day', text: dayWords(at) });
      before = null;
    }
    if (firstUnread && message.key === firstUnread) {
      items.push({ key: 'new', kind: 'new' });
      before = null;
    }
    const shown = message.kind === 'chat' || message.kind === 'file';
    const from = out ? state.user : message.from;
    const continued = shown && before !== null && before.from === from && message.ts - before.ts < GROUP_S;
    before = shown ? { from, ts: message.ts } : null;
    if (shown) items.push({ key: message.key, kind: 'message', entry: out ? null : message, message: out ? { ...message, from, name: state.username } : message, out, continued, online });
    else items.push({ key: message.key, kind: message.kind, entry: message });
  };
  for (const entry of timeline.entries) add(entry, null);
  for (const out of timeline.outgoing) add(out, out);
  // A clock that runs apart may bring a day back; its line stands once.
  const seen = new Set();
  return items.filter(({ key }) => !seen.has(key) && seen.add(key));
}

function dayWords(at) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : day.format(at);
}

function emptyWords({ kind, joined, ready, trouble }) {
  if (kind === 'private') return 'Nothing has been said here yet. This window remembers a private conversation until you sign out.';
  if (kind === 'notices') return 'What the server announces stands here.';
  if (trouble) return trouble;
  return joined && ready ? 'Nothing has been said here yet. Say the first word.' : 'Joining the room…';
}

const VERBS = { joined: 'joined', left: 'left', disconnected: 'disconnected' };

function noticeWords({ verb, people, others }) {
  // Isolated, so that a name from right to left does not turn the sentence around.
  const names = people.map(({ name }) => `\u2068${shorten(name)}\u2069`);
  const rest = others + Math.max(0, names.length - 3);
  const who = rest > 0 ? [...names.slice(0, 3), rest === 1 ? 'one other' : `${rest} others`] : names;
  return `${join(who).join('')} ${VERBS[verb]}`;
}

function shorten(name) {
  const chars = [...name];
  return chars.length > MAX_NAME_CHARS ? `${chars.slice(0, MAX_NAME_CHARS).join('')}…` : name;
}

// ["ada", "bob", "eve"] → "ada", ", ", "bob", " and ", "eve".
function join(words) {
  return words.flatMap((word, i) => (i === 0 ? [word] : [i === words.length - 1 ? ' and ' : ', ', word]));
}

function deliveryWords({ state, words, kind }, online) {
  switch (state) {
    case 'queued': return online ? 'Waiting to be sent…' : 'Not sent yet. Waiting for the connection…';
    case 'unknown': return 'Finding out whether this arrived…';
    case 'failed': return `Not sent. ${words}`;
    default: return kind === 'file' ? 'Sending the file…' : 'Sending…';
  }
}

function createAnnouncement({ label, text, ts }) {
  return el('li', { class: 'announcement' },
    el('p', { class: 'announcement-head' }, el('strong', { dir: 'auto' }, label), el('time', { title: moment.format(new Date(ts * 1000)) }, clock.format(new Date(ts * 1000)))),
    createText(text));
}

function updateGap(element, { state, words }) {
  const [line, button] = element.children;
  setText(line, words ?? '');
  setText(button, state === 'loading' ? 'Fetching…' : words ? 'Try again' : 'Show earlier messages');
  button.disabled = state === 'loading';
}

function createText(text) {
  const shown = excerpt(text);
  const paragraph = el('p', { class: 'message-text', dir: 'auto' }, ...linked(shown));
  if (shown.length === text.length) return paragraph;
  paragraph.append('…');
  const more = el('button', { class: 'link', 'aria-expanded': 'false', onclick: toggle }, 'Show all of it');
  function toggle() {
    const open = more.getAttribute('aria-expanded') === 'true';
    paragraph.replaceChildren(...linked(open ? shown : text), ...(open ? ['…'] : []));
    more.setAttribute('aria-expanded', String(!open));
    setText(more, open ? 'Show all of it' : 'Show less');
  }
  return el('div', {}, paragraph, more);
}

function excerpt(text) {
  let end = text.length;
  let lines = 0;
  for (let i = text.indexOf('\n'); i >= 0 && i < EXCERPT_CHARS; i = text.indexOf('\n', i + 1)) {
    if (++lines === EXCERPT_LINES) { end = i; break; }
  }
  // A little more than an excerpt is shown whole: the button would cost as much.
  if (end === text.length && text.length <= EXCERPT_CHARS * 1.25) return text;
  end = Math.min(end, EXCERPT_CHARS);
  // Half of a character of two units is none.
  if (/[\uD800-\uDBFF]/.test(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

// Addresses become links, and only those of the web: a `javascript:` is text like any other.
function linked(text) {
  const parts = [];
  let at = 0;
  for (const { 0: match, index } of text.matchAll(/https?:\/\/[^\s<>"'\u2068\u2069]+/gi)) {
    // What ends the sentence does not end the address.
    const address = match.replace(/[.,;:!?)\]}]+$/, '');
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(at, index), el('a', { href: address, target: '_blank', rel: 'noopener noreferrer nofollow', dir: 'ltr' }, address));
    at = index + address.length;
  }
  parts.push(text.slice(at));
  return parts;
}

// The row of a file: a link once there is something to fetch, a picture where the format can be no more.
function updateFile(element, file, out) {
  const link = out ? null : linkOf(file);
  const version = `${link}`;
  if (element.dataset.version === version) return;
  element.dataset.version = version;
  const words = el('span', { class: 'file-words' },
    el('bdi', { class: 'file-name' }, file.name),
    el('span', { class: 'file-size' }, link || out ? formatBytes(file.size) : `${formatBytes(file.size)}, no longer held by this window`));
  const card = link
    ? el('a', { class: 'file-card', href: link, download: file.name, 'data-testid': 'file-link' }, icon('file'), words, icon('download'))
    : el('span', { class: 'file-card' }, icon('file'), words);
  element.replaceChildren(card);
  if (link && isPicture(file.mime)) {
    const picture = el('img', { class: 'file-picture', src: link, alt: `Picture ${file.name}`, loading: 'lazy', decoding: 'async', 'data-testid': 'file-picture' });
    picture.addEventListener('error', () => picture.remove());
    element.prepend(picture);
  }
}

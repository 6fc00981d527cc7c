// The page around the conversation: the list of rooms and people, the head, the members, the drawers of a
// small screen, toasts and questions. It draws the state and calls `actions`; it keeps no state of the chat.

import { avatar, byId, el, hueOf, icon, initialOf, reconcile, setAttribute, setText } from './dom.js';
import { Panel } from './panel.js';

const MAX_MEMBERS_SHOWN = 300;
const MAX_TOASTS = 4;
const TOAST_MS = 8_000;
const TITLE = document.title;

const plural = (count, one, many) => (count === 1 ? `1 ${one}` : `${count.toLocaleString()} ${many}`);

export class View {
  #actions; #panels; #state = null;
  // Undefined before the first drawing, null while nothing is open.
  #shown;
  #drawer = null;
  #drawerOpener = null;
  #countdown = 0;
  #narrow = matchMedia('(max-width: 47.99rem)');
  #medium = matchMedia('(max-width: 69.99rem)');

  constructor(actions) {
    this.#actions = actions;
    this.#panels = {
      room: new Panel(byId('room-panel'), actions),
      private: new Panel(byId('private-panel'), actions),
      notices: new Panel(byId('notices-panel'), actions),
    };
    this.#wireForms();
    this.#wireDrawers();
    byId('signout').addEventListener('click', () => actions.signOut());
    byId('banner-retry').addEventListener('click', () => actions.reconnect());
    byId('leave').addEventListener('click', () => actions.leave(this.#state.active));
    byId('skip').addEventListener('click', (event) => { event.preventDefault(); this.focusConversation(); });
  }

  // ---- Signing in ----

  showSignin(name, words = '') {
    this.#state = null;
    clearInterval(this.#countdown);
    this.#openDrawer(null);
    for (const panel of Object.values(this.#panels)) panel.hide();
    this.#shown = undefined;
    byId('app').hidden = true;
    byId('signin').hidden = false;
    document.title = TITLE;
    byId('signin-name').value = name;
    setText(byId('signin-error'), words);
    byId('signin-name').select();
    byId('signin-name').focus();
  }

  nameIsOfBrowser() {
    setText(byId('signin-hint'), 'Others see it. This browser remembers it, for all its windows.');
  }

  showChat() {
    byId('signin').hidden = true;
    byId('app').hidden = false;
    for (const form of document.querySelectorAll('#app form:not([method])')) form.reset();
    for (const error of document.querySelectorAll('#app .field-error')) setText(error, '');
  }

  // ---- Drawing ----

  render(state) {
    this.#state = state;
    this.#renderSidebar();
    this.#renderHead();
    this.#renderBanner();
    this.#renderMembers();
    this.#renderMain();
    const { unread } = state;
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${state.active ? `${state.active.title} · ` : ''}${TITLE}`;
  }

  focusConversation() {
    if (this.#shown) this.#panels[this.#shown.kind].focus();
    else byId('empty-input').focus();
  }

  #renderSidebar() {
    const { rooms, privates, listed, notices, active, user, username } = this.#state;
    const wanted = byId('join-input').value.trim().toLocaleLowerCase();
    const fits = (name) => name.toLocaleLowerCase().includes(wanted);
    const byName = (a, b) => a.name.localeCompare(b.name);
    reconcile(byId('rooms-joined'), rooms.filter(({ name }) => fits(name)).sort(byName), this.#rows((room) => ({
      key: room.name, icon: (room.info ?? listed.get(room.name))?.is_public === false ? 'lock' : 'hash',
      title: room.title, count: listed.get(room.name)?.user_count ?? room.info?.user_count, unread: room.unread, active: room === active,
      trouble: room.trouble !== '', attributes: { 'data-room': room.name, 'data-joined': 'true' }, click: () => this.#actions.open(room),
    })));
    const others = [...listed.values()].filter(({ name }) => !this.#state.room(name) && fits(name)).sort(byName);
    reconcile(byId('rooms-other'), others, this.#rows((room) => ({
      key: room.name, icon: room.is_public === false ? 'lock' : 'hash', title: room.name, count: room.user_count, unread: 0, active: false, joins: true,
      attributes: { 'data-room': room.name, 'data-joined': 'false' }, click: () => this.#actions.join(room.name),
    })));
    byId('rooms-other-heading').hidden = others.length === 0;
    reconcile(byId('private-list'), privates, this.#rows((person) => ({
      key: person.name, person: person.name, title: person.title, unread: person.unread, active: person === active,
      attributes: { 'data-peer': person.name }, click: () => this.#actions.open(person),
    })));
    reconcile(byId('notices-list'), [notices], this.#rows(() => ({
      key: 'notices', icon: 'bell', title: 'Notices', unread: notices.unread, active: notices === active,
      attributes: { 'data-testid': 'notices' }, click: () => this.#actions.open(notices),
    })));
    setText(byId('me-name'), username);
    setAttribute(byId('me-name'), 'title', user);
    setText(byId('me-avatar'), initialOf(username));
    setAttribute(byId('me-avatar'), 'data-hue', hueOf(user));
    const elsewhere = this.#state.unread - (active?.unread ?? 0);
    byId('sidebar-dot').hidden = elsewhere === 0;
    setText(byId('sidebar-open-words'), elsewhere > 0 ? `Conversations, ${elsewhere} unread` : 'Conversations');
    this.#renderEmptyRooms(others);
  }

  // A list of rows with one button each. `describe` says what a row shows; the click always acts on what
  // the row stands for now, not on what it stood for when it was made.
  #rows(describe) {
    return {
      key: (item) => describe(item).key,
      create: (item) => {
        const row = describe(item);
        // What the eye takes from place and form stands as words between, for whoever hears the row.
        const button = el('button', { class: 'item', title: row.title, onclick: () => button.act() },
          row.person !== undefined ? avatar(row.person, row.title) : icon(row.icon),
          row.joins ? el('span', { class: 'sr-only' }, 'Join ') : null,
          el('bdi', { class: 'item-title' }, row.title), ' ',
          el('span', { class: 'item-count' }, el('span', { 'data-testid': 'count' }), el('span', { class: 'sr-only' })), ' ',
          el('span', { class: 'item-unread' }, el('span', { 'data-testid': 'unread' }), el('span', { class: 'sr-only' }, ' unread')));
        return el('li', {}, button);
      },
      update: (element, item) => {
        const row = describe(item);
        const button = element.firstChild;
        button.act = row.click;
        for (const [name, value] of Object.entries(row.attributes)) setAttribute(element, name, value);
        setAttribute(element, 'data-unread', row.unread > 0 ? row.unread : null);
        setAttribute(element, 'data-active', row.active ? 'true' : null);
        setAttribute(button, 'aria-current', row.active ? 'page' : null);
        if (row.icon) setAttribute(button.firstChild.firstChild, 'href', `#i-${row.icon}`);
        setText(button.querySelector('.item-title'), row.title);
        const [count, words] = button.querySelector('.item-count').children;
        const members = row.count === undefined ? NaN : Number(row.count);
        setText(count, row.trouble ? '!' : members >= 0 ? String(members) : '');
        setText(words, row.trouble ? ' not joined' : members >= 0 ? (members === 1 ? ' member' : ' members') : '');
        setText(button.querySelector('[data-testid=unread]'), row.unread === 0 ? '' : row.unread > 99 ? '99+' : String(row.unread));
      },
    };
  }

  #renderEmptyRooms(others) {
    setText(byId('empty-words'), others.length > 0 ? 'Join one of these, or type a name to begin a room of your own.' : 'Type a name to begin a room. Whoever joins it by that name meets you there.');
    reconcile(byId('empty-rooms'), this.#state.active ? [] : others.slice(0, 12), {
      key: ({ name }) => name,
      create: ({ name }) => el('li', {}, el('button', { class: 'chip', onclick: () => this.#actions.join(name) }, icon('hash'), el('bdi', {}, name))),
    });
  }

  #renderHead() {
    const { active, listed, status } = this.#state;
    const about = active?.kind === 'room' ? { ...active.info, ...listed.get(active.name) } : null;
    setText(byId('title'), active?.title ?? 'Welcome');
    const name = active?.kind === 'notices' ? 'bell' : active?.kind === 'private' ? 'people' : about?.is_public === false ? 'lock' : 'hash';
    setAttribute(byId('title-icon').firstChild, 'href', `#i-${name}`);
    byId('title-icon').classList.toggle('gone', !active);
    setText(byId('subtitle'), subtitle(active, about));
    const leave = byId('leave');
    leave.hidden = active?.kind !== 'room' && active?.kind !== 'private';
    setText(leave.querySelector('.wide-only'), active?.kind === 'private' ? 'Close' : 'Leave');
    setText(leave.querySelector('.narrow-only'), active?.kind === 'private' ? 'Close the conversation' : 'Leave the room');
    setAttribute(byId('connection'), 'data-state', status.state);
    setText(byId('connection-words'), { connecting: 'Connecting', online: 'Online', offline: 'Offline', closed: 'Disconnected' }[status.state]);
  }

  // Says what is wrong, and what is being done about it. The seconds count down beside the live region's
  // words rather than inside, or a screen reader would count along.
  #renderBanner() {
    const { status, active } = this.#state;
    const banner = byId('banner');
    const retry = byId('banner-retry');
    const trouble = active?.trouble ?? '';
    const wrong = status.state === 'offline' || status.state === 'closed' || (status.state === 'connecting' && !banner.hidden && status.words !== 'Connecting…');
    banner.hidden = !wrong && trouble === '';
    clearInterval(this.#countdown);
    if (banner.hidden) return;
    setAttribute(banner, 'data-state', wrong ? status.state : 'trouble');
    if (!wrong) {
      setText(byId('banner-words'), trouble);
      setText(retry, 'Try again');
      retry.hidden = false;
      return;
    }
    retry.hidden = status.state === 'connecting';
    setText(retry, 'Connect now');
    const count = () => {
      const seconds = Math.max(0, Math.ceil((status.retryAt - Date.now()) / 1000));
      setText(byId('banner-words'), status.retryAt === null ? status.words : `${status.words} Trying again ${seconds > 0 ? `in ${seconds} s` : 'now'}.`);
    };
    count();
    if (status.retryAt !== null) this.#countdown = setInterval(count, 1_000);
  }

  #renderMembers() {
    const { active, user } = this.#state;
    const isRoom = active?.kind === 'room';
    byId('members-open').hidden = !isRoom;
    byId('members-panel').hidden = !isRoom;
    byId('app').classList.toggle('with-members', isRoom);
    if (!isRoom && this.#drawer === 'members') this.#openDrawer(null);
    if (!isRoom) return;
    const people = (active.members ?? []).filter(({ user_id: id }) => typeof id === 'string')
      .map(({ user_id: id, username, status }) => ({ id, name: String(username || id), online: status === 'online' }))
      .sort((a, b) => a.name.localeCompare(b.name));
    const show = (list, heading, words, some) => {
      setText(byId(heading), `${words} · ${some.length.toLocaleString()}`);
      byId(heading).hidden = some.length === 0;
      reconcile(byId(list), some.slice(0, MAX_MEMBERS_SHOWN), {
        key: ({ id }) => id,
        create: ({ id, name }) => {
          const me = id === user;
          const inside = [avatar(id, name), me ? null : el('span', { class: 'sr-only' }, 'Write to '), el('bdi', { class: 'item-title' }, name), me ? el('span', { class: 'you' }, 'you') : null];
          const row = me ? el('span', { class: 'item', title: name }, ...inside)
            : el('button', { class: 'item', title: `Write to ${name}`, onclick: () => this.#actions.openPrivate(id, name) }, ...inside);
          return el('li', { 'data-user': id }, row);
        },
        update: (element, { online }) => setAttribute(element, 'data-status', online ? 'online' : 'offline'),
      });
    };
    const online = people.filter((person) => person.online);
    const offline = people.filter((person) => !person.online);
    show('members-online', 'members-online-heading', 'Online', online);
    show('members-offline', 'members-offline-heading', 'Offline', offline);
    const more = Math.max(0, online.length - MAX_MEMBERS_SHOWN) + Math.max(0, offline.length - MAX_MEMBERS_SHOWN);
    byId('members-more').hidden = more === 0;
    setText(byId('members-more'), `${more.toLocaleString()} more are not listed. Write to them by name.`);
  }

  #renderMain() {
    const { active } = this.#state;
    const switched = this.#shown !== active;
    for (const [kind, panel] of Object.entries(this.#panels)) if (kind !== active?.kind) panel.hide();
    byId('empty').hidden = active !== null;
    if (active) this.#panels[active.kind].render(active, this.#state);
    this.#shown = active;
    if (!switched) return;
    this.#openDrawer(null);
    // What had the focus may be gone with what was shown before. On a touch screen a field with the focus would
    // pull up the keyboard over what was just opened.
    if (!matchMedia('(pointer: coarse)').matches) this.focusConversation();
    else byId('main').focus();
  }

  // ---- Forms of the sidebar ----

  // A form that does one thing with one name, says beside it what went wrong, and is emptied by success.
  #form(form, input, error, act) {
    byId(form).addEventListener('submit', async (event) => {
      event.preventDefault();
      const field = byId(input);
      const name = field.value.trim();
      const say = (words) => {
        setText(byId(error), words);
        setAttribute(field, 'aria-invalid', words ? 'true' : null);
      };
      say('');
      try {
        await act(name);
        if (field.value.trim() === name) field.value = '';
        if (this.#state) this.render(this.#state);
      } catch (failure) {
        say(failure.message);
        field.focus();
      }
    });
    byId(input).addEventListener('input', () => {
      setText(byId(error), '');
      setAttribute(byId(input), 'aria-invalid', null);
    });
  }

  #wireForms() {
    this.#form('signin-form', 'signin-name', 'signin-error', (name) => this.#actions.signIn(name));
    this.#form('join-form', 'join-input', 'join-error', (name) => this.#actions.joinByName(name));
    this.#form('empty-form', 'empty-input', 'empty-error', (name) => this.#actions.joinByName(name));
    this.#form('create-form', 'create-name', 'create-error', async (name) => {
      await this.#actions.create(name, !byId('create-private').checked);
      byId('create-private').checked = false;
    });
    this.#form('private-open-form', 'private-open-input', 'private-open-error', (name) => this.#actions.openPrivateByName(name));
    byId('join-input').addEventListener('input', () => this.#renderSidebar());
  }

  // ---- Drawers ----

  #wireDrawers() {
    byId('sidebar-open').addEventListener('click', (event) => this.#openDrawer('sidebar', event.currentTarget));
    byId('members-open').addEventListener('click', (event) => this.#openDrawer(this.#drawer ? null : 'members', event.currentTarget));
    for (const id of ['sidebar-close', 'members-close', 'backdrop']) byId(id).addEventListener('click', () => this.#openDrawer(null));
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#drawer && !byId('confirm').open) this.#openDrawer(null);
    });
    // A window that grows has the column beside the conversation, and no drawer any more.
    for (const query of [this.#narrow, this.#medium]) query.addEventListener('change', () => this.#openDrawer(null));
  }

  #openDrawer(drawer, opener = null) {
    if (drawer === this.#drawer) return;
    const closed = this.#drawer;
    this.#drawer = drawer;
    setAttribute(byId('app'), 'data-drawer', drawer);
    setAttribute(byId('sidebar-open'), 'aria-expanded', String(drawer === 'sidebar'));
    setAttribute(byId('members-open'), 'aria-expanded', String(drawer === 'members'));
    // What lies under a drawer can't be reached until it closes.
    byId('main').inert = drawer !== null;
    byId('sidebar').inert = drawer === 'members';
    if (drawer) {
      this.#drawerOpener = opener;
      byId(`${drawer}-close`).focus();
    } else if (closed && !byId('app').hidden) {
      this.#drawerOpener?.focus();
    }
  }

  // ---- Toasts and questions ----

  toast({ label, words, error = false }) {
    const stack = byId(error ? 'toasts-alert' : 'toasts-polite');
    const remove = () => {
      const focused = toast.contains(document.activeElement);
      clearTimeout(timer);
      toast.remove();
      if (focused && !byId('app').hidden) this.focusConversation();
    };
    const toast = el('div', { class: `toast${error ? ' error' : ''}`, 'data-testid': 'toast' },
      el('p', { class: 'toast-words' }, el('strong', {}, label), el('span', { dir: 'auto' }, words.length > 300 ? `${words.slice(0, 300)}…` : words)),
      el('button', { class: 'icon-button', 'aria-label': 'Dismiss', onclick: remove }, icon('close')));
    // What is also kept under Notices goes by itself, unless somebody is reading it; an error waits.
    let timer = 0;
    const arm = () => { if (!error) timer = setTimeout(remove, TOAST_MS); };
    for (const type of ['pointerenter', 'focusin']) toast.addEventListener(type, () => clearTimeout(timer));
    for (const type of ['pointerleave', 'focusout']) toast.addEventListener(type, () => { clearTimeout(timer); arm(); });
    toast.addEventListener('keydown', (event) => { if (event.key === 'Escape') remove(); });
    // A repeated error is one toast, not a wall of them.
    for (const other of stack.children) if (other.textContent === toast.textContent) other.remove();
    stack.append(toast);
    while (stack.children.length > MAX_TOASTS) stack.firstElementChild.remove();
    arm();
  }

  // Resolves with whether the person said yes; Escape says no.
  confirm(title, words, yes) {
    const dialog = byId('confirm');
    setText(byId('confirm-title'), title);
    setText(byId('confirm-words'), words);
    setText(byId('confirm-yes'), yes);
    dialog.returnValue = 'no';
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
  }
}

function subtitle(active, about) {
  if (!active) return 'No room is open';
  if (active.kind === 'private') return active.title === active.name ? 'Private conversation' : `Private conversation with ${active.name}`;
  if (active.kind === 'notices') return 'Announcements and notifications';
  const parts = [about.is_public === false ? 'Private room' : 'Public room'];
  if (Number(about.user_count) >= 0) parts.push(plural(Number(about.user_count), 'member', 'members'));
  if (about.created_by) parts.push(`by ${about.created_by}`);
  return parts.join(' · ');
}

// Who one is, where the server keeps that in a signed cookie. The page cannot read it, and asks. Without a
// secret the server keeps nothing: then a name is all, and nothing is asked for.

const ANSWER_MS = 5_000;

let required = false;

export const mustSignIn = () => required;

function ask(path, options = {}) {
  const headers = { accept: 'application/json' };
  return fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS), ...options });
}

// The name in the cookie; null where there is none.
export async function whoAmI() {
  const { required: asks, user_id: user } = await (await ask('/login')).json();
  required = asks === true;
  return typeof user === 'string' ? user : null;
}

// Throws in words when the server refuses the name.
export async function signIn(name) {
  if (!required) return;
  const answer = await ask('/login', { method: 'POST', body: new URLSearchParams({ name }) });
  if (!answer.ok) throw new Error((await answer.json()).message ?? 'The server did not take this name.');
}

// Throws in words when not everybody could be told: then the login is still there, and may be ended again.
export async function signOut() {
  if (!required) return;
  const answer = await ask('/logout', { method: 'POST' }).catch(() => ({ ok: false }));
  if (!answer.ok) throw new Error('You are still signed in: not all servers could be told. Please try again.');
}

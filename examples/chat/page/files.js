// Files: reading them for the wire, and holding those that came over it without holding too much.

// The server counts bytes, and so does this: 10 MB is 10 * 1024 * 1024.
export const MAX_FILE_BYTES = 10 * 1024 * 1024;
const MAX_FILENAME_CHARS = 255;
// What this window keeps of files that arrived; the oldest give way, and are fetched from the server then.
const MAX_HELD_BYTES = 64 * 1024 * 1024;

// Only formats that can be nothing but a picture are shown as one. SVG is a document and stays a download.
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);

export function isPicture(mime) { return PICTURES.has(mime); }

// Says in words why a file can't be sent, or null.
export function refusal(file) {
  if (file.size > MAX_FILE_BYTES) return `“${file.name}” has ${formatBytes(file.size)}; a file may have at most 10 MB.`;
  if ([...file.name].length > MAX_FILENAME_CHARS) return `The name of “${file.name.slice(0, 40)}…” is longer than ${MAX_FILENAME_CHARS} characters.`;
  return null;
}

export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    // The browser's own encoder is far faster than a loop; what it puts before the comma is not ours.
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error('The file could not be read any more.'));
    reader.readAsDataURL(blob);
  });
}

// What a page shows is told by the sender, so a blob never takes the sender's word for its type: a page
// in HTML would run here, in this origin, if somebody opened its blob in a tab.
function toBlob(base64, mime) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Blob([bytes], { type: isPicture(mime) ? mime : 'application/octet-stream' });
}

// Only a path of this server's own files becomes a link.
function serverPath(value) {
  if (typeof value !== 'string') return null;
  try {
    const url = new URL(value, location.origin);
    return url.origin === location.origin && url.pathname.startsWith('/api/files/') ? url.pathname + url.search : null;
  } catch {
    return null;
  }
}

const held = [];
let heldBytes = 0;
let onEvicted = () => {};

// `listener` is told when a file gave way, so that its link on the server can be learnt.
export function whenEvicted(listener) { onEvicted = listener; }

// Reads what a message or an entry of the history says about a file. `blob` is at hand for one's own.
export function readFile(data, blob = null) {
  const file = {
    name: String(data.filename ?? 'file'),
    mime: String(data.mime_type ?? ''),
    size: Number(data.file_size) || 0,
    remote: serverPath(data.file_url),
    local: null,
    bytes: 0,
  };
  try {
    if (!blob && typeof data.file_data === 'string') blob = toBlob(data.file_data, file.mime);
    else if (blob) blob = new Blob([blob], { type: isPicture(file.mime) ? file.mime : 'application/octet-stream' });
  } catch {
    blob = null;
  }
  if (blob) hold(file, blob);
  return file;
}

export function linkOf(file) { return file.local ?? file.remote; }

function hold(file, blob) {
  file.local = URL.createObjectURL(blob);
  file.bytes = blob.size;
  held.push(file);
  heldBytes += file.bytes;
  while (heldBytes > MAX_HELD_BYTES && held.length > 1) {
    const oldest = held[0];
    release(oldest);
    if (!oldest.remote) onEvicted(oldest);
  }
}

export function release(file) {
  if (!file?.local) return;
  URL.revokeObjectURL(file.local);
  file.local = null;
  held.splice(held.indexOf(file), 1);
  heldBytes -= file.bytes;
}

export function formatBytes(bytes) {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const [value, unit] = bytes < 1024 * 1024 ? [bytes / 1024, 'KB'] : [bytes / 1024 / 1024, 'MB'];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

// The few things the page needs from the DOM. Text enters it as text nodes only; nothing here or
// elsewhere reads a string as HTML.

export const byId = (id) => document.getElementById(id);

// el('p', {class: 'hint', dir: 'auto', onclick: f}, 'words', child): an attribute that is null or false stays away.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === false || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Makes the children of `parent` the elements of `items`, in their order, touching only what differs:
// an element that stays keeps its focus, its scroll position and its place in a live region.
export function reconcile(parent, items, { key, create, update }) {
  const old = (parent.elementsByKey ??= new Map());
  const next = new Map();
  for (const item of items) {
    const k = key(item);
    const element = old.get(k) ?? create(item);
    next.set(k, element);
    update?.(element, item);
  }
  for (const [k, element] of old) if (next.get(k) !== element) element.remove();
  let place = parent.firstChild;
  for (const element of next.values()) {
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  parent.elementsByKey = next;
}

// A colour for a person that is the same in every window: one of a few, by the name.
const HUES = 10;
export function hueOf(id) {
  let hash = 2166136261;
  for (const char of id) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  return (hash >>> 0) % HUES;
}

// The first character as people count it, so that a flag or a family stays whole.
const segmenter = 'Segmenter' in Intl ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : null;
export function initialOf(name) {
  const first = segmenter ? segmenter.segment(name)[Symbol.iterator]().next().value?.segment : [...name][0];
  return (first ?? '?').toLocaleUpperCase();
}

export function avatar(id, name) {
  return el('span', { class: 'avatar', 'data-hue': hueOf(id), 'aria-hidden': 'true' }, initialOf(name));
}

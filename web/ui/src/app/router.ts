/* Paths under the page's base, and the query string as the place of all view state. */
import { BASE_URL } from './base';
import { createStore, useStore } from './store';

export interface Location {
  path: string; /* "/tasks", without the base */
  query: URLSearchParams;
}

const base = BASE_URL.pathname;

function read(): Location {
  const path = window.location.pathname.startsWith(base) ? window.location.pathname.slice(base.length) : window.location.pathname;
  return { path: '/' + path.replace(/^\/|\/$/g, ''), query: new URLSearchParams(window.location.search) };
}

const location = createStore<Location>(typeof window === 'undefined' ? { path: '/', query: new URLSearchParams() } : read());

export const useLocation = () => useStore(location);
export const currentLocation = () => location.get();
export const watchLocation = (listener: () => void) => location.subscribe(listener);

/* "/tasks?x=1" → what an href needs, below the base. */
export const href = (target: string) => base + target.replace(/^\//, '');

/* Range and refresh go along to every page. */
export function linkTo(target: string): string {
  const [path, search = ''] = target.split('?');
  const query = new URLSearchParams(search);
  for (const key of ['from', 'to', 'refresh']) {
    const value = location.get().query.get(key);
    if (value !== null && !query.has(key)) query.set(key, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export function navigate(target: string, replace = false): void {
  const url = href(target);
  if (replace) window.history.replaceState(null, '', url);
  else window.history.pushState(null, '', url);
  const before = location.get().path;
  location.set(read());
  if (location.get().path !== before) window.scrollTo(0, 0);
}

/* null or '' removes a key, an array repeats it. */
export function setQuery(changes: Record<string, string | string[] | null>, replace = false): void {
  const query = new URLSearchParams(location.get().query);
  for (const [key, value] of Object.entries(changes)) {
    query.delete(key);
    if (Array.isArray(value)) value.forEach((v) => query.append(key, v));
    else if (value !== null && value !== '') query.set(key, value);
  }
  const text = query.toString();
  if (text === location.get().query.toString()) return;
  navigate(location.get().path + (text ? `?${text}` : ''), replace);
}

/* Plain clicks on links below the base stay in the page. */
function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.('a');
  if (!link || link.target || link.hasAttribute('download') || !link.getAttribute('href')) return;
  const url = new URL(link.href, BASE_URL);
  if (url.origin !== window.location.origin || !url.pathname.startsWith(base) || link.dataset.native !== undefined) return;
  event.preventDefault();
  navigate('/' + url.pathname.slice(base.length) + url.search);
}

export function startRouter(): void {
  window.addEventListener('popstate', () => location.set(read()));
  document.addEventListener('click', onClick);
}

/* "/tasks/{uuid}" against "/tasks/abc" → {uuid: "abc"}; null: no match. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/');
  const have = path.split('/');
  if (want.length !== have.length) return null;
  const params: Record<string, string> = {};
  for (let i = 0; i < want.length; i++) {
    const name = /^\{(\w+)\}$/.exec(want[i]);
    if (name) {
      try {
        params[name[1]] = decodeURIComponent(have[i]);
      } catch {
        params[name[1]] = have[i];
      }
    } else if (want[i] !== have[i]) return null;
  }
  return params;
}

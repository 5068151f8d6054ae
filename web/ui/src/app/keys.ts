/* The keyboard. Lists and dialogs register what they handle; typing in a field is never taken away. */
import { useEffect } from 'preact/hooks';
import { currentRange, setRange, zoomBack } from './clock';
import { PAGES } from './pages';
import { linkTo, navigate } from './router';
import { createStore } from './store';
import { toggleTheme } from './theme';
import { pannedRange } from './timerange';

export const helpOpen = createStore(false);
export const pickerOpen = createStore(false);

type Handler = (e: KeyboardEvent) => boolean; /* true: handled */
const handlers: Handler[] = [];

/* The newest handler is asked first. */
export function useKeys(handler: Handler): void {
  useEffect(() => {
    handlers.push(handler);
    return () => {
      handlers.splice(handlers.indexOf(handler), 1);
    };
  }, [handler]);
}

export const SHORTCUTS: [string, string][] = [
  ['/ or ctrl+k', 'search: task, queue, worker, page'],
  ['g then a letter', PAGES.map((p) => `${p.letter} ${p.title}`).join(', ')],
  ['j, k, enter', 'next row, previous row, open'],
  ['t', 'time range'],
  ['[ and ]', 'half a window earlier, later'],
  ['esc', 'close; back one zoom'],
  ['l', 'pause or resume refreshing'],
  ['d', 'dark or light'],
  ['?', 'this list'],
];

const isTyping = (target: EventTarget | null) => target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (text: string) => UUID.test(text.trim());

function escape(): void {
  if (helpOpen.get()) helpOpen.set(false);
  else if (pickerOpen.get()) pickerOpen.set(false);
  else zoomBack();
}

export function startKeys(focusSearch: () => void, togglePause: () => void): void {
  let afterG = -Infinity;
  const single: Record<string, () => void> = {
    '/': focusSearch,
    '?': () => helpOpen.set(!helpOpen.get()),
    t: () => pickerOpen.set(!pickerOpen.get()),
    d: toggleTheme,
    l: togglePause,
    '[': () => setRange(pannedRange(currentRange(), -1)),
    ']': () => setRange(pannedRange(currentRange(), 1)),
  };
  window.addEventListener('keydown', (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
      e.preventDefault();
      focusSearch();
      return;
    }
    if (e.key === 'Escape') {
      if (isTyping(e.target)) (e.target as HTMLElement).blur();
      else if (!handlers.slice().reverse().some((h) => h(e))) escape();
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return;
    if (performance.now() - afterG < 1200) {
      afterG = -Infinity;
      const page = PAGES.find((p) => p.letter === e.key);
      if (page) {
        e.preventDefault();
        navigate(linkTo(page.path));
        return;
      }
    }
    if (handlers.slice().reverse().some((h) => h(e))) {
      e.preventDefault();
      return;
    }
    if (e.key === 'g') afterG = performance.now();
    else if (single[e.key]) {
      e.preventDefault();
      single[e.key]();
    }
  });
  window.addEventListener('paste', (e) => {
    const text = e.clipboardData?.getData('text/plain') ?? '';
    if (!isTyping(e.target) && isUuid(text)) navigate(linkTo(`/tasks/${text.trim()}`));
  });
}

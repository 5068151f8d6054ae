/* The page's time range, the refresh tick and the zoom history. All of it lives in the URL. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { currentLocation, setQuery, useLocation, watchLocation } from './router';
import { createStore, useStore } from './store';
import { absoluteRange, isRelative, parseDuration, parseRefresh, PRESETS, RawRange, resolveRange, TimeRange } from './timerange';

const DEFAULT_RANGE: RawRange = { from: 'now-1h', to: 'now' };
const DEFAULT_REFRESH_SECONDS = 10;

/* What a page (a dashboard) wants when the URL says nothing. */
const pageDefaults = createStore<{ range: RawRange; refresh: number }>({ range: DEFAULT_RANGE, refresh: DEFAULT_REFRESH_SECONDS });

export function usePageDefaults(range: RawRange | null, refresh: number | null): void {
  useEffect(() => {
    pageDefaults.set({ range: range ?? DEFAULT_RANGE, refresh: refresh ?? DEFAULT_REFRESH_SECONDS });
    return () => pageDefaults.set({ range: DEFAULT_RANGE, refresh: DEFAULT_REFRESH_SECONDS });
  }, [range?.from, range?.to, refresh]);
}

/* Seconds of data there were when the page opened: a range asked for by nobody is not mostly empty. */
const dataAge = createStore(Infinity);

export function noteDataAge(seconds: number): void {
  if (dataAge.get() === Infinity && seconds > 0) dataAge.set(seconds);
}

function shortened(range: RawRange): RawRange {
  const wish = /^now-/.test(range.from) && range.to === 'now' ? parseDuration(range.from.slice(4)) : null;
  const fitting = PRESETS.find((p) => (parseDuration(p.from.slice(4)) ?? 0) >= dataAge.get());
  const length = fitting ? parseDuration(fitting.from.slice(4)) : null;
  return wish !== null && length !== null && length < wish ? { from: fitting!.from, to: 'now' } : range;
}

function readRange(): RawRange {
  const { query } = currentLocation();
  const range = shortened(pageDefaults.get().range);
  const from = query.get('from');
  const to = query.get('to');
  return from === null && to === null ? range : { from: from ?? range.from, to: to ?? 'now' };
}

const readRefresh = () => parseRefresh(currentLocation().query.get('refresh') ?? undefined, pageDefaults.get().refresh);

/* Bumped at each refresh; whoever shows live figures depends on it. */
const tick = createStore(0);
export const frozen = createStore(false); /* text is being selected, or the user pressed "l" */

export const refreshNow = () => tick.set(tick.get() + 1);
export const useTick = () => useStore(tick);

export function useRefreshSeconds(): number {
  useLocation();
  useStore(pageDefaults);
  return readRefresh();
}

export function useRawRange(): RawRange {
  useLocation();
  useStore(pageDefaults);
  useStore(dataAge);
  const raw = readRange();
  return useMemo(() => raw, [raw.from, raw.to]);
}

/* Seconds; moves with each tick while the range is relative. */
export function useTimeRange(): TimeRange {
  const raw = useRawRange();
  const count = useTick();
  return useMemo(() => resolveRange(raw, Date.now() / 1000), [raw, isRelative(raw) ? count : 0]);
}

export const currentRange = () => resolveRange(readRange(), Date.now() / 1000);

/* Zooms pushed since the page was opened: Esc goes back only through these. */
let zoomDepth = 0;

export function setRange(raw: RawRange): void {
  setQuery({ from: raw.from, to: raw.to });
}
export function zoomTo(range: TimeRange): void {
  if (!(range.to - range.from >= 1)) return;
  zoomDepth++;
  setRange(absoluteRange(range));
}
export function zoomBack(): boolean {
  if (zoomDepth === 0) return false;
  zoomDepth--;
  window.history.back();
  return true;
}
export function setRefresh(label: string): void {
  setQuery({ refresh: label }, true);
}

export function startClock(): void {
  let last = performance.now();
  window.setInterval(() => {
    const seconds = readRefresh();
    if (seconds === 0 || document.hidden || frozen.get()) return;
    if (performance.now() - last < seconds * 1000 - 50) return;
    last = performance.now();
    refreshNow();
  }, 250);
  /* A hidden tab asks nothing; it catches up when it is looked at again. */
  document.addEventListener('visibilitychange', () => {
    if (document.hidden || readRefresh() === 0) return;
    last = performance.now();
    refreshNow();
  });
  let path = currentLocation().path;
  watchLocation(() => {
    if (currentLocation().path === path) return;
    path = currentLocation().path;
    zoomDepth = 0;
  });
}

/* Wall time for "12 s ago", once a second while visible. */
export function useNow(everySeconds = 1): number {
  const [now, setNow] = useState(Date.now() / 1000);
  useEffect(() => {
    const timer = window.setInterval(() => {
      if (!document.hidden) setNow(Date.now() / 1000);
    }, everySeconds * 1000);
    return () => window.clearInterval(timer);
  }, [everySeconds]);
  return now;
}

/* The live stream: /api/ui/events. The browser reconnects by itself and sends Last-Event-ID. */
import { apiUrl } from './http';

export type LiveType = 'task' | 'worker' | 'alert' | 'gap' | 'target';
export const LIVE_TYPES: LiveType[] = ['task', 'worker', 'alert', 'gap', 'target'];

export interface LiveEvent {
  id: number;
  type: LiveType;
  data: Record<string, unknown> & { t: number };
}

export interface LiveListener {
  event(e: LiveEvent): void;
  missed(count: number): void;
  state(open: boolean): void;
}

/* Returns the function that ends the stream. Closed while the tab is hidden, resumed after the last event seen. */
export function openEvents(types: LiveType[], listener: LiveListener): () => void {
  let source: EventSource | null = null;
  let last = '';
  let retry = 0;
  const connect = () => {
    const query = new URLSearchParams();
    if (types.length < LIVE_TYPES.length) query.set('types', types.join(','));
    if (last) query.set('after', last);
    const current = new EventSource(apiUrl('/api/ui/events') + (query.toString() ? `?${query}` : ''));
    source = current;
    current.onopen = () => listener.state(true);
    current.onerror = () => {
      listener.state(false);
      if (current.readyState !== EventSource.CLOSED) return;
      window.clearTimeout(retry);
      retry = window.setTimeout(() => current === source && connect(), 3000);
    };
    for (const type of LIVE_TYPES) {
      current.addEventListener(type, (e) => {
        last = e.lastEventId || last;
        try {
          listener.event({ id: Number(e.lastEventId), type, data: JSON.parse(e.data) });
        } catch {
          listener.missed(1);
        }
      });
    }
    current.addEventListener('missed', (e) => {
      try {
        listener.missed(Number((JSON.parse(e.data) as { count: number }).count) || 1);
      } catch {
        listener.missed(1);
      }
    });
  };
  const close = () => {
    window.clearTimeout(retry);
    source?.close();
    source = null;
  };
  const onVisibility = () => {
    if (document.hidden) close();
    else if (!source) connect();
  };
  document.addEventListener('visibilitychange', onVisibility);
  if (!document.hidden) connect();
  return () => {
    document.removeEventListener('visibilitychange', onVisibility);
    close();
  };
}

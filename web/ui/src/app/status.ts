/* /api/ui/status, asked once for the whole page at each tick. */
import { useEffect } from 'preact/hooks';
import { getStatus, Status } from '../api/ui';
import { noteDataAge, useTick } from './clock';
import { createStore, useStore } from './store';

const status = createStore<Status | null>(null);
export const useStatus = () => useStore(status);

export function useStatusPolling(): void {
  const tick = useTick();
  useEffect(() => {
    const abort = new AbortController();
    getStatus(abort.signal).then(
      (s) => {
        status.set(s);
        noteDataAge(s.store.oldest > 0 ? s.now - s.store.oldest : 0);
      },
      () => undefined, /* the bar at the top tells of a lost connection */
    );
    return () => abort.abort();
  }, [tick]);
}

/* Asks again at every tick; keeps the last answer while an error lasts. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useTick } from '../app/clock';
import { isAbort } from './http';

export interface Polled<T> {
  data: T | null;
  error: unknown;
  loading: boolean; /* no answer yet for these inputs */
}

/* load is called when a dependency or the tick changes; a null load asks nothing. */
export function usePoll<T>(load: ((signal: AbortSignal) => Promise<T>) | null, deps: unknown[], live = true): Polled<T> {
  const tick = useTick();
  const [state, setState] = useState<Polled<T>>({ data: null, error: null, loading: true });
  const key = JSON.stringify(deps);
  const shownKey = useRef(key);
  useEffect(() => {
    if (!load) return;
    const abort = new AbortController();
    if (shownKey.current !== key) {
      shownKey.current = key;
      setState((s) => ({ ...s, loading: true }));
    }
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ data, error: null, loading: false });
      },
      (error) => {
        if (!isAbort(error) && !abort.signal.aborted) setState((s) => ({ data: s.data, error, loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, live ? tick : 0, load === null]);
  return state;
}

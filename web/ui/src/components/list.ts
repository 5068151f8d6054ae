/* j, k and enter in a list of rows. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { useKeys } from '../app/keys';

/* Rows carry data-row={index}; open gets the index under the mark. */
export function useListKeys(count: number, open: (index: number) => void): number {
  const [at, setAt] = useState(-1);
  useEffect(() => {
    if (at >= count) setAt(count - 1);
  }, [count]);
  useEffect(() => {
    if (at >= 0) document.querySelector(`[data-row="${at}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  const handler = useCallback(
    (e: KeyboardEvent) => {
      if (e.key === 'j' || e.key === 'k') {
        if (!count) return false;
        setAt((n) => Math.max(0, Math.min(count - 1, n + (e.key === 'j' ? 1 : -1))));
        return true;
      }
      const onControl = e.target instanceof HTMLElement && e.target.closest('a, button');
      if (e.key === 'Enter' && at >= 0 && !onControl) {
        open(at);
        return true;
      }
      return false;
    },
    [count, at, open],
  );
  useKeys(handler);
  return at;
}

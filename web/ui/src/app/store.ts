/* A value that components can watch. */
import { useEffect, useState } from 'preact/hooks';

export interface Store<T> {
  get(): T;
  set(next: T): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const l of [...listeners]) l();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    const update = () => setValue(() => store.get());
    update();
    return store.subscribe(update);
  }, [store]);
  return value;
}

/* A store kept in localStorage under "cloche.<key>". */
export function createSetting<T extends string>(key: string, fallback: T): Store<T> {
  let initial = fallback;
  try {
    initial = (localStorage.getItem(`cloche.${key}`) as T | null) ?? fallback;
  } catch {
    /* storage may be forbidden */
  }
  const store = createStore<T>(initial);
  store.subscribe(() => {
    try {
      localStorage.setItem(`cloche.${key}`, store.get());
    } catch {
      /* the choice then lasts until the page closes */
    }
  });
  return store;
}

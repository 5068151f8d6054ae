/* The frame around every page: rail, top bar, lost connection, help. */
import { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { lostConnection } from '../api/http';
import { Icon } from '../components/icon';
import { formatAge } from '../format/number';
import { frozen, useNow } from './clock';
import { helpOpen, SHORTCUTS, startKeys } from './keys';
import { pageAt, PAGES } from './pages';
import { href, linkTo, useLocation } from './router';
import { Search } from './search';
import { useStatus, useStatusPolling } from './status';
import { createSetting, useStore } from './store';
import { themeChoice, ThemeChoice, useTheme } from './theme';
import { TimePicker } from './timepicker';

const railState = createSetting<'wide' | 'narrow'>('rail', 'wide');

function Rail() {
  const { path } = useLocation();
  const current = pageAt(path);
  const state = useStore(railState);
  const [more, setMore] = useState(false);
  useEffect(() => setMore(false), [path]);
  return (
    <nav class={`rail ${state} ${more ? 'more-open' : ''}`} aria-label="Pages">
      <a class="brand" href={href(linkTo('/'))} title="cloche">
        <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
          <path fill="var(--brand)" d="M16 4a2 2 0 0 1 2 2v1.200C23 8.200 26 12.500 26 18v4H6v-4C6 12.500 9 8.200 14 7.200V6a2 2 0 0 1 2-2z" />
          <path fill="var(--brand-2)" d="M4 24h24v3H4z" />
        </svg>
        <span>cloche</span>
      </a>
      {PAGES.map((p) => (
        <a key={p.id} href={href(linkTo(p.path))} class={`${current?.id === p.id ? 'on' : ''} ${p.primary ? 'primary' : 'secondary'}`} aria-current={current?.id === p.id ? 'page' : undefined} title={`${p.title} (g ${p.letter})`}>
          <Icon name={p.icon} />
          <span>{p.title}</span>
        </a>
      ))}
      <button type="button" class="rail-more" aria-expanded={more} onClick={() => setMore(!more)}>
        <Icon name="more" />
        <span>More</span>
      </button>
      <span class="grow" />
      <button type="button" class="rail-fold" onClick={() => railState.set(state === 'wide' ? 'narrow' : 'wide')} title={state === 'wide' ? 'Fold the rail' : 'Unfold the rail'} aria-label={state === 'wide' ? 'Fold the rail' : 'Unfold the rail'}>
        <Icon name={state === 'wide' ? 'left' : 'right'} size={14} />
      </button>
    </nav>
  );
}

const NEXT_THEME: Record<ThemeChoice, ThemeChoice> = { system: 'dark', dark: 'light', light: 'system' };

function ThemeButton() {
  const choice = useStore(themeChoice);
  const shown = useTheme();
  return (
    <button type="button" class="icon-button" onClick={() => themeChoice.set(NEXT_THEME[choice])} title={`Theme: ${choice} (d switches)`} aria-label={`Theme: ${choice}`}>
      <Icon name={choice === 'system' ? 'eye' : shown === 'dark' ? 'moon' : 'sun'} />
    </button>
  );
}

function LostBar() {
  const lost = useStore(lostConnection);
  const now = useNow();
  if (!lost) return null;
  return (
    <div class="lost" role="alert">
      <Icon name="broken" /> No answer from cloche for {formatAge(now - lost.since)} ({lost.reason}). What you see is from before; it is asked again by itself.
    </div>
  );
}

function StoreBar() {
  const status = useStatus();
  if (!status || status.store.writable) return null;
  return (
    <div class="lost" role="alert">
      <Icon name="warn" /> The store cannot be written{status.store.error ? `: ${status.store.error}` : ''}. New samples and tasks wait in memory and are lost at a restart.
    </div>
  );
}

function Help() {
  const open = useStore(helpOpen);
  const status = useStatus();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (open) box.current?.focus();
  }, [open]);
  if (!open) return null;
  return (
    <div class="overlay" onClick={() => helpOpen.set(false)}>
      <div ref={box} class="dialog" role="dialog" aria-label="Keys" aria-modal="true" tabIndex={-1} onClick={(e) => e.stopPropagation()}>
        <h2>Keys</h2>
        <dl class="keys">
          {SHORTCUTS.map(([key, what]) => (
            <>
              <dt>{key}</dt>
              <dd>{what}</dd>
            </>
          ))}
        </dl>
        <p class="dim">On a chart: drag zooms the page, ctrl+wheel zooms at the pointer, double click or esc goes back. A task id pasted anywhere opens the task.</p>
        {status && (
          <p class="dim">
            cloche {status.version} {status.revision}
          </p>
        )}
        <button type="button" class="button" onClick={() => helpOpen.set(false)}>
          Close
        </button>
      </div>
    </div>
  );
}

/* Reading must not be disturbed: selected text holds the refresh. */
function useSelectionPause(): void {
  useEffect(() => {
    let byselection = false;
    const update = () => {
      const selecting = (document.getSelection()?.toString().length ?? 0) > 0;
      if (selecting && !frozen.get()) {
        byselection = true;
        frozen.set(true);
      } else if (!selecting && byselection) {
        byselection = false;
        frozen.set(false);
      }
    };
    document.addEventListener('selectionchange', update);
    return () => document.removeEventListener('selectionchange', update);
  }, []);
}

export function Shell({ children }: { children: ComponentChildren }) {
  const search = useRef<HTMLInputElement>(null);
  const { path } = useLocation();
  const page = pageAt(path);
  useStatusPolling();
  useSelectionPause();
  useEffect(() => {
    startKeys(
      () => {
        search.current?.focus();
        search.current?.select();
      },
      () => frozen.set(!frozen.get()),
    );
  }, []);
  useEffect(() => {
    document.title = page ? `${page.title} · cloche` : 'cloche';
  }, [page]);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <Rail />
      <div class="column">
        <header class="topbar">
          <h1>{page?.title ?? 'cloche'}</h1>
          <Search inputRef={search} />
          <span class="grow" />
          <TimePicker />
          <button type="button" class="icon-button wide-only" onClick={() => helpOpen.set(true)} title="Keys (?)" aria-label="Keys">
            <Icon name="question" />
          </button>
          <ThemeButton />
        </header>
        <LostBar />
        <StoreBar />
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      <Help />
    </div>
  );
}

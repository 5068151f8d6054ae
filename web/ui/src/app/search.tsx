/* The search box: pages, dashboards, task names, queues, workers; anything else searches the tasks. */
import { Ref } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { DashboardEntry, Facets, getDashboards, getFacets } from '../api/ui';
import { Icon } from '../components/icon';
import { isUuid } from './keys';
import { PAGES } from './pages';
import { linkTo, navigate } from './router';

interface Suggestion {
  kind: string;
  text: string;
  path: string;
}

const MAX_SUGGESTIONS = 9;

function suggestions(text: string, facets: Facets | null, dashboards: DashboardEntry[]): Suggestion[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return PAGES.map((p) => ({ kind: `g ${p.letter}`, text: p.title, path: p.path }));
  const has = (s: string) => s.toLowerCase().includes(wanted);
  const out: Suggestion[] = [];
  if (/^[0-9a-f-]{8,}$/i.test(wanted)) out.push({ kind: 'task', text: wanted, path: `/tasks/${encodeURIComponent(wanted)}` });
  PAGES.filter((p) => has(p.title)).forEach((p) => out.push({ kind: 'page', text: p.title, path: p.path }));
  dashboards.filter((d) => has(d.title)).forEach((d) => out.push({ kind: 'dashboard', text: d.title, path: `/dashboards/${encodeURIComponent(d.uid)}` }));
  facets?.names.filter(has).forEach((n) => out.push({ kind: 'task name', text: n, path: `/tasks?${new URLSearchParams({ name: n })}` }));
  facets?.queues.filter(has).forEach((n) => out.push({ kind: 'queue', text: n, path: `/tasks?${new URLSearchParams({ queue: n })}` }));
  facets?.workers.filter(has).forEach((n) => out.push({ kind: 'worker', text: n, path: `/workers/${encodeURIComponent(n)}` }));
  const rest: Suggestion = { kind: 'search tasks', text: text.trim(), path: `/tasks?${new URLSearchParams({ q: text.trim() })}` };
  return [...out.slice(0, MAX_SUGGESTIONS - 1), rest];
}

export function Search({ inputRef }: { inputRef: Ref<HTMLInputElement> }) {
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const [facets, setFacets] = useState<Facets | null>(null);
  const [dashboards, setDashboards] = useState<DashboardEntry[]>([]);
  const list = useMemo(() => suggestions(text, facets, dashboards), [text, facets, dashboards]);
  const load = () => {
    setOpen(true);
    getFacets().then(setFacets, () => undefined);
    getDashboards().then(setDashboards, () => undefined);
  };
  const go = (path: string, field: HTMLInputElement | null) => {
    navigate(linkTo(path));
    setText('');
    setOpen(false);
    field?.blur();
  };
  const onKey = (e: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    if (e.key === 'ArrowDown') setAt(Math.min(at + 1, list.length - 1));
    else if (e.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (e.key === 'Enter') {
      if (isUuid(text)) go(`/tasks/${text.trim()}`, e.currentTarget);
      else if (list[at]) go(list[at].path, e.currentTarget);
    } else return;
    e.preventDefault();
  };
  return (
    <div class="search">
      <Icon name="explore" size={14} />
      <input
        ref={inputRef}
        type="search"
        placeholder="Search   /"
        aria-label="Search tasks, queues, workers, pages"
        role="combobox"
        aria-expanded={open}
        aria-controls="search-list"
        value={text}
        onFocus={load}
        onBlur={() => window.setTimeout(() => setOpen(false), 150)}
        onInput={(e) => {
          setText(e.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
        spellcheck={false}
        autocomplete="off"
      />
      {open && (
        <ul class="popover suggestions" id="search-list" role="listbox">
          {list.map((s, i) => (
            <li key={s.kind + s.path} role="option" aria-selected={i === at} class={i === at ? 'on' : ''} onMouseDown={() => go(s.path, null)}>
              <span>{s.text}</span> <span class="dim">{s.kind}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

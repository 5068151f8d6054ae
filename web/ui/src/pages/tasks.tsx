/* /tasks: the history, newest first. All filters are in the URL. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { isAbort, Params } from '../api/http';
import { usePoll } from '../api/poll';
import { findTasks, getFacets, Task } from '../api/ui';
import { useTick } from '../app/clock';
import { linkTo, navigate, setQuery, useLocation } from '../app/router';
import { useStatus } from '../app/status';
import { Empty, Failed, Skeleton } from '../components/empty';
import { Hue } from '../components/hue';
import { Icon } from '../components/icon';
import { useListKeys } from '../components/list';
import { State, TASK_STATES, toneOf } from '../components/state';
import { Ago } from '../components/time';
import { taskLink, Uuid } from '../components/uuid';
import { formatCount, formatDuration, NO_VALUE } from '../format/number';

const PAGE_SIZE = 100;
const MAX_REFRESHED = 1000; /* the server's limit of one answer */
const NEW_LIMIT = 200;

function filterOf(query: URLSearchParams): Params {
  const one = (key: string) => query.get(key) ?? '';
  return { state: query.getAll('state'), name: one('name'), worker: one('worker'), queue: one('queue'), exception: one('exception'), q: one('q') };
}

interface TaskList {
  tasks: Task[] | null;
  next: string | null;
  total: number;
  fresh: number; /* newer ones that are not shown yet */
  error: unknown;
  loadingMore: boolean;
  more(): void;
  showNew(): void;
}

/* Shown rows are asked for again at each tick, so that states move on; newer rows wait behind the pill. */
function useTasks(filter: Params): TaskList {
  const key = JSON.stringify(filter);
  const tick = useTick();
  const [restart, setRestart] = useState(0);
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [total, setTotal] = useState(0);
  const [fresh, setFresh] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const [loadingMore, setLoadingMore] = useState(false);
  const started = useRef('');
  const top = useRef(0);
  const busy = useRef(false);
  const fail = (e: unknown) => {
    if (!isAbort(e)) setError(e);
  };

  useEffect(() => {
    const abort = new AbortController();
    const first = started.current !== `${key} ${restart}` || !tasks?.length;
    const load = async () => {
      const count = Math.min(MAX_REFRESHED, Math.max(PAGE_SIZE, tasks?.length ?? 0));
      const page = await findTasks({ ...filter, limit: first ? PAGE_SIZE : count, before: first ? undefined : String(top.current + 1) }, abort.signal);
      setError(null);
      setTotal(page.total);
      if (first) {
        started.current = `${key} ${restart}`;
        top.current = page.tasks[0]?.id ?? 0;
        setTasks(page.tasks);
        setNext(page.next);
        setFresh(0);
        return;
      }
      setTasks((old) => [...page.tasks, ...(old ?? []).slice(page.tasks.length)]);
      const newer = await findTasks({ ...filter, after: String(top.current), limit: NEW_LIMIT }, abort.signal);
      setFresh(newer.tasks.filter((t) => t.id > top.current).length);
    };
    load().catch(fail);
    return () => abort.abort();
  }, [key, tick, restart]);

  const more = useCallback(() => {
    if (busy.current || next === null) return;
    busy.current = true;
    setLoadingMore(true);
    findTasks({ ...filter, limit: PAGE_SIZE, before: next })
      .then((page) => {
        setTasks((old) => [...(old ?? []), ...page.tasks]);
        setNext(page.next);
      }, fail)
      .finally(() => {
        busy.current = false;
        setLoadingMore(false);
      });
  }, [key, next]);
  return { tasks, next, total, fresh, error, loadingMore, more, showNew: () => setRestart((n) => n + 1) };
}

function StateChips({ chosen }: { chosen: string[] }) {
  const toggle = (state: string) => setQuery({ state: chosen.includes(state) ? chosen.filter((s) => s !== state) : [...chosen, state] }, true);
  return (
    <div class="chips" role="group" aria-label="States">
      {TASK_STATES.map((s) => (
        <button key={s} type="button" class={`chip ${toneOf(s)} ${chosen.includes(s) ? 'on' : ''}`} aria-pressed={chosen.includes(s)} onClick={() => toggle(s)}>
          <State state={s} />
        </button>
      ))}
    </div>
  );
}

function Choice({ name, label, values, value }: { name: string; label: string; values: string[]; value: string }) {
  return (
    <select class="control" value={value} onChange={(e) => setQuery({ [name]: e.currentTarget.value }, true)} aria-label={label}>
      <option value="">{label}: all</option>
      {value && !values.includes(value) && <option value={value}>{value}</option>}
      {values.map((v) => (
        <option key={v} value={v}>
          {v}
        </option>
      ))}
    </select>
  );
}

function Filters({ query }: { query: URLSearchParams }) {
  const { data } = usePoll(getFacets, []);
  const [text, setText] = useState(query.get('q') ?? '');
  useEffect(() => setText(query.get('q') ?? ''), [query.get('q')]);
  useEffect(() => {
    const timer = window.setTimeout(() => text !== (query.get('q') ?? '') && setQuery({ q: text }, true), 300);
    return () => window.clearTimeout(timer);
  }, [text]);
  const any = ['state', 'name', 'worker', 'queue', 'exception', 'q'].some((k) => query.has(k));
  return (
    <div class="filters">
      <StateChips chosen={query.getAll('state')} />
      <input type="search" placeholder="words in name, arguments, result, error" value={text} onInput={(e) => setText(e.currentTarget.value)} aria-label="Search in tasks" />
      <Choice name="name" label="Task" values={data?.names ?? []} value={query.get('name') ?? ''} />
      <Choice name="worker" label="Worker" values={data?.workers ?? []} value={query.get('worker') ?? ''} />
      <Choice name="queue" label="Queue" values={data?.queues ?? []} value={query.get('queue') ?? ''} />
      {query.get('exception') && (
        <button type="button" class="button on" onClick={() => setQuery({ exception: null }, true)}>
          {query.get('exception')} <Icon name="cross" size={12} />
        </button>
      )}
      {any && (
        <button type="button" class="button" onClick={() => setQuery({ state: null, name: null, worker: null, queue: null, exception: null, q: null }, true)}>
          Clear
        </button>
      )}
    </div>
  );
}

const lastRun = (t: Task) => (t.state === 'STARTED' && t.started ? null : t.runtime);

function Row({ t, index, at }: { t: Task; index: number; at: boolean }) {
  const filterBy = (key: string, value: string | null) => (e: MouseEvent) => {
    if (!value || !(e.altKey || e.shiftKey)) return;
    e.preventDefault();
    e.stopPropagation();
    setQuery({ [key]: value });
  };
  const open = (e: MouseEvent) => {
    if (!(e.target as Element).closest('a, button') && !document.getSelection()?.toString()) navigate(linkTo(`/tasks/${t.uuid}`));
  };
  return (
    <tr data-row={index} class={at ? 'at' : ''} onClick={open}>
      <td>
        <State state={t.state} />
      </td>
      <td class="task-name" title={t.name ?? ''} onClick={filterBy('name', t.name)}>
        <a href={taskLink(t.uuid)}>
          <Hue name={t.name ?? ''} />
          {t.name ?? 'unnamed task'}
        </a>
        {t.exception && <span class="task-error bad-text">{t.exception}</span>}
      </td>
      <td class="hide-narrow">
        <Uuid uuid={t.uuid} />
      </td>
      <td class="hide-narrow" title="shift+click filters" onClick={filterBy('worker', t.worker)}>
        {t.worker ?? NO_VALUE}
      </td>
      <td class="hide-narrow" title="shift+click filters" onClick={filterBy('queue', t.queue)}>
        {t.queue ?? NO_VALUE}
      </td>
      <td class="num hide-narrow">{t.retries ? formatCount(t.retries) : ''}</td>
      <td class="num ran">{formatDuration(lastRun(t))}</td>
      <td class="num dim">
        <Ago time={t.first_seen ?? t.received ?? t.timestamp} />
      </td>
    </tr>
  );
}

function NoTasks({ filtered }: { filtered: boolean }) {
  const status = useStatus();
  if (filtered) return <Empty title="No task matches" text="No task in the history has all of these. Take a filter away, or look for fewer words." />;
  const off = status?.celery?.task_events_off ?? [];
  if (off.length) {
    return <Empty title="No task events" text={`${off.join(', ')} do not send task events. Start workers with -E, or switch events on now:`} command="celery -A yourapp control enable_events" />;
  }
  return <Empty title="No task seen yet" text="cloche listens to the broker's events and shows tasks as they come. If workers run, do they send events?" command="celery -A yourapp control enable_events" />;
}

export function TasksPage() {
  const { query } = useLocation();
  const filter = filterOf(query);
  const list = useTasks(filter);
  const rows = list.tasks ?? [];
  const at = useListKeys(rows.length, (i) => navigate(linkTo(`/tasks/${rows[i].uuid}`)));
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!end.current) return;
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && list.more(), { rootMargin: '600px' });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [list.more]);
  const filtered = Object.values(filter).some((v) => (Array.isArray(v) ? v.length > 0 : Boolean(v)));
  return (
    <div class="tasks">
      <Filters query={query} />
      {list.fresh > 0 && (
        <button
          type="button"
          class="pill"
          onClick={() => {
            list.showNew();
            window.scrollTo(0, 0);
          }}
        >
          {list.fresh >= NEW_LIMIT ? `${NEW_LIMIT}+` : list.fresh} new
        </button>
      )}
      {list.error !== null && list.error !== undefined && !list.tasks ? (
        <Failed error={list.error} what="the tasks" />
      ) : !list.tasks ? (
        <Skeleton rows={16} />
      ) : !rows.length ? (
        <NoTasks filtered={filtered} />
      ) : (
        <>
          <table class="grid task-list">
            <thead>
              <tr>
                <th class="col-state">State</th>
                <th>Task</th>
                <th class="hide-narrow col-id">Id</th>
                <th class="hide-narrow col-worker">Worker</th>
                <th class="hide-narrow col-queue">Queue</th>
                <th class="num hide-narrow col-num">Retries</th>
                <th class="num col-num">Ran</th>
                <th class="num col-when">Seen</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((t, i) => (
                <Row key={t.uuid} t={t} index={i} at={i === at} />
              ))}
            </tbody>
          </table>
          <div ref={end} class="list-end dim">
            {list.next ? (
              <button type="button" class="button" onClick={list.more} disabled={list.loadingMore}>
                {list.loadingMore ? 'Loading…' : 'Older tasks'}
              </button>
            ) : (
              `That is all: ${formatCount(rows.length)} shown, ${formatCount(list.total)} in the history.`
            )}
          </div>
        </>
      )}
    </div>
  );
}

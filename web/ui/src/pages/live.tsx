/* /live: events as they happen. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { LIVE_TYPES, LiveEvent, LiveType, openEvents } from '../api/events';
import { useKeys } from '../app/keys';
import { href, linkTo, setQuery, useLocation } from '../app/router';
import { Empty } from '../components/empty';
import { Hue } from '../components/hue';
import { Icon } from '../components/icon';
import { State } from '../components/state';
import { taskLink } from '../components/uuid';
import { formatClock, formatCount, formatDateTime, formatDuration } from '../format/number';

const KEPT = 500;
const DRAW_EVERY_MS = 200;

const EVENT_STATES: Record<string, string> = {
  'task-sent': 'PENDING',
  'task-received': 'RECEIVED',
  'task-started': 'STARTED',
  'task-succeeded': 'SUCCESS',
  'task-failed': 'FAILURE',
  'task-retried': 'RETRY',
  'task-revoked': 'REVOKED',
  'task-rejected': 'REJECTED',
  'worker-online': 'online',
  'worker-offline': 'offline',
  'worker-lost': 'LOST',
};

const str = (v: unknown): string => (typeof v === 'string' ? v : '');

function summaryOf(e: LiveEvent): { state: string; word: string; what: preact.ComponentChildren; more: preact.ComponentChildren } {
  const d = e.data;
  switch (e.type) {
    case 'task': {
      const event = str(d.event);
      const more = str(d.exception) ? <span class="bad-text">{str(d.exception)}</span> : typeof d.runtime === 'number' ? formatDuration(d.runtime) : '';
      return {
        state: EVENT_STATES[event] ?? str(d.state),
        word: event.replace(/^task-/, ''),
        what: (
          <a href={taskLink(str(d.uuid))}>
            <Hue name={str(d.name)} />
            {str(d.name) || str(d.uuid).slice(0, 8)}
          </a>
        ),
        more,
      };
    }
    case 'worker':
      return { state: EVENT_STATES[str(d.event)] ?? 'unknown', word: str(d.event).replace(/^worker-/, ''), what: <a href={href(linkTo(`/workers/${encodeURIComponent(str(d.worker))}`))}>{str(d.worker)}</a>, more: '' };
    case 'alert':
      return { state: str(d.state), word: str(d.state), what: <a href={href(linkTo('/alerts'))}>{str(d.alertname)}</a>, more: d.value === undefined || d.value === null ? '' : String(d.value) };
    case 'target':
      return { state: str(d.health), word: str(d.health), what: <a href={href(linkTo('/targets'))}>{str(d.name)}</a>, more: <span class="bad-text">{str(d.error)}</span> };
    default:
      return { state: 'warn', word: 'gap', what: 'events are missing', more: str(d.reason) };
  }
}

interface Stream {
  shown: LiveEvent[];
  waiting: number;
  missed: number;
  open: boolean;
  perSecond: number;
}

/* Events are gathered and drawn five times a second at most. */
function useStream(types: LiveType[], paused: boolean): Stream {
  const [stream, setStream] = useState<Stream>({ shown: [], waiting: 0, missed: 0, open: false, perSecond: 0 });
  const buffer = useRef<LiveEvent[]>([]);
  const missed = useRef(0);
  const open = useRef(false);
  const count = useRef<number[]>([]);
  const pausedNow = useRef(paused);
  pausedNow.current = paused;
  const key = types.join(',');
  useEffect(() => {
    buffer.current = [];
    setStream((s) => ({ ...s, shown: [], waiting: 0 }));
    const close = openEvents(types, {
      event: (e) => {
        buffer.current.push(e);
        count.current.push(performance.now());
        if (buffer.current.length > KEPT * 2) {
          missed.current += buffer.current.length - KEPT;
          buffer.current = buffer.current.slice(-KEPT);
        }
      },
      missed: (n) => (missed.current += n),
      state: (is) => (open.current = is),
    });
    const timer = window.setInterval(() => {
      if (document.hidden) return;
      const since = performance.now() - 5000;
      count.current = count.current.filter((t) => t > since);
      const perSecond = count.current.length / 5;
      setStream((s) => {
        const take = pausedNow.current ? [] : buffer.current.splice(0);
        const waiting = buffer.current.length;
        if (!take.length && s.waiting === waiting && s.open === open.current && s.missed === missed.current && s.perSecond === perSecond) return s;
        return { shown: take.length ? [...take.reverse(), ...s.shown].slice(0, KEPT) : s.shown, waiting, missed: missed.current, open: open.current, perSecond };
      });
    }, DRAW_EVERY_MS);
    return () => {
      window.clearInterval(timer);
      close();
    };
  }, [key]);
  return stream;
}

export function LivePage() {
  const { query } = useLocation();
  const chosen = query.getAll('type').filter((t): t is LiveType => (LIVE_TYPES as string[]).includes(t));
  const types = chosen.length ? chosen : LIVE_TYPES;
  const [paused, setPaused] = useState(false);
  const [text, setText] = useState('');
  const stream = useStream(types, paused);
  const keys = useCallback((e: KeyboardEvent) => {
    if (e.key !== 'l' && e.key !== ' ') return false;
    if (e.key === ' ' && e.target instanceof HTMLElement && e.target.closest('button, a, summary')) return false;
    setPaused((p) => !p);
    return true;
  }, []);
  useKeys(keys);
  const toggle = (t: LiveType) => setQuery({ type: chosen.includes(t) ? chosen.filter((x) => x !== t) : [...chosen, t] }, true);
  const wanted = text.trim().toLowerCase();
  const rows = wanted ? stream.shown.filter((e) => JSON.stringify(e.data).toLowerCase().includes(wanted)) : stream.shown;
  return (
    <div class="live">
      <div class="filters">
        <button type="button" class={paused ? 'button primary' : 'button'} onClick={() => setPaused(!paused)} title="l">
          <Icon name={paused ? 'play' : 'pause'} size={14} /> {paused ? `Go on${stream.waiting ? ` (${formatCount(stream.waiting)} wait)` : ''}` : 'Pause'}
        </button>
        <div class="chips" role="group" aria-label="Kinds">
          {LIVE_TYPES.map((t) => (
            <button key={t} type="button" class={`chip info ${chosen.includes(t) ? 'on' : ''}`} aria-pressed={chosen.includes(t)} onClick={() => toggle(t)}>
              {t}
            </button>
          ))}
        </div>
        <input type="search" placeholder="only with these words" value={text} onInput={(e) => setText(e.currentTarget.value)} aria-label="Filter the shown events" />
        <span class="dim">
          {stream.open ? `${stream.perSecond.toFixed(1)} events/s` : 'connecting…'}
          {stream.missed > 0 && <span class="warn-text"> · {formatCount(stream.missed)} missed</span>}
        </span>
      </div>
      {!rows.length ? (
        <Empty title={wanted ? 'Nothing with these words yet' : 'Waiting for events'} text="Each task event, worker, alert and target change shows here as it comes. Quiet for long? Look whether workers send events." command="celery -A yourapp control enable_events" />
      ) : (
        <table class="grid live-list">
          <thead>
            <tr>
              <th class="col-clock">Time</th>
              <th class="col-state">Event</th>
              <th>What</th>
              <th class="hide-narrow">Worker</th>
              <th class="hide-narrow">Queue</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {rows.map((e) => {
              const s = summaryOf(e);
              return (
                <tr key={e.id}>
                  <td class="dim mono" title={formatDateTime(e.data.t, true)}>
                    {formatClock(e.data.t)}<span class="milliseconds">{formatClock(e.data.t, true).slice(8)}</span>
                  </td>
                  <td>
                    <State state={s.state} word={s.word} />
                  </td>
                  <td>{s.what}</td>
                  <td class="hide-narrow">{e.type === 'task' ? str(e.data.worker) : ''}</td>
                  <td class="hide-narrow">{str(e.data.queue)}</td>
                  <td class="live-more">{s.more}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </div>
  );
}

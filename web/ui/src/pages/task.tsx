/* /tasks/{uuid}: one task, its attempts, what went in and what came out. */
import { ApiError } from '../api/http';
import { usePoll } from '../api/poll';
import { FullTask, getTask, TaskAttempt, TaskRef } from '../api/ui';
import { useNow } from '../app/clock';
import { href, linkTo } from '../app/router';
import { CopyButton } from '../components/copy';
import { Empty, Failed, Skeleton } from '../components/empty';
import { Hue } from '../components/hue';
import { State, toneOf } from '../components/state';
import { When } from '../components/time';
import { Traceback } from '../components/traceback';
import { taskLink } from '../components/uuid';
import { PythonValue } from '../components/value';
import { formatClock, formatDuration, NO_VALUE } from '../format/number';

const UNFINISHED = ['STARTED', 'RECEIVED', 'PENDING'];

interface Piece {
  kind: 'wait' | 'run' | 'gap';
  from: number;
  to: number;
  state: string;
  title: string;
}

/* Waiting, running and the gaps between tries, in time order. */
function piecesOf(task: FullTask, attempts: TaskAttempt[], now: number): Piece[] {
  const out: Piece[] = [];
  let last = task.sent ?? null;
  attempts.forEach((a, i) => {
    const received = a.received ?? a.started ?? last;
    const end = a.ended ?? (UNFINISHED.includes(a.state) ? now : (a.started ?? received));
    if (last !== null && received !== null && received > last) {
      const word = i === 0 ? 'in the queue' : 'until the next try';
      out.push({ kind: i === 0 ? 'wait' : 'gap', from: last, to: received, state: '', title: `${formatDuration(received - last)} ${word}` });
    }
    if (received !== null && a.started !== null && a.started > received) out.push({ kind: 'wait', from: received, to: a.started, state: '', title: `${formatDuration(a.started - received)} waiting in ${a.worker ?? 'the worker'}` });
    const start = a.started ?? received;
    if (start !== null && end !== null && end >= start) {
      const kind = a.started === null ? 'wait' : 'run';
      out.push({ kind, from: start, to: end, state: a.state, title: `try ${i + 1}: ${a.state} after ${formatDuration(end - start)} on ${a.worker ?? 'unknown worker'}` });
    }
    last = end ?? last;
  });
  return out;
}

function Strip({ task }: { task: FullTask }) {
  const now = useNow();
  const attempts = task.attempts ?? [];
  const pieces = piecesOf(task, attempts, now);
  if (!pieces.length) return null;
  const from = pieces[0].from;
  const to = Math.max(pieces[pieces.length - 1].to, from + 1e-3);
  const part = (t: number) => `${(((t - from) / (to - from)) * 100).toFixed(3)}%`;
  const waited = pieces.filter((p) => p.kind !== 'run').reduce((a, p) => a + p.to - p.from, 0);
  const ran = pieces.filter((p) => p.kind === 'run').reduce((a, p) => a + p.to - p.from, 0);
  return (
    <section class="block attempts" aria-label="Attempts">
      <header>
        <h3>{attempts.length > 1 ? `${attempts.length} attempts` : 'Course'}</h3>
        {task.attempts_dropped > 0 && <span class="dim">{task.attempts_dropped} more between are not kept</span>}
        <span class="grow" />
        <span class="dim">
          waited {formatDuration(waited)}, ran {formatDuration(ran)}
        </span>
      </header>
      <div class="strip">
        {pieces.map((p, i) => (
          <span key={i} class={`piece ${p.kind} ${p.kind === 'run' ? toneOf(p.state) : ''}`} style={{ left: part(p.from), width: `max(2px, ${(((p.to - p.from) / (to - from)) * 100).toFixed(3)}%)` }} title={p.title} />
        ))}
      </div>
      <div class="strip-scale dim">
        <span>{formatClock(from, true)}</span>
        <span>{formatDuration(to - from)}</span>
        <span>{formatClock(to, true)}</span>
      </div>
      {attempts.length > 1 && (
        <ol class="attempt-list">
          {attempts.map((a, i) => (
            <li key={i}>
              <State state={a.state} /> <span class="dim">{a.worker}</span> {a.started && a.ended ? formatDuration(a.ended - a.started) : ''} {a.exception && <span class="bad-text">{a.exception}</span>}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Times({ task }: { task: FullTask }) {
  const rows: [string, number | null][] = [
    ['Sent', task.sent],
    ['Received', task.received],
    ['Started', task.started],
    ['Succeeded', task.succeeded],
    ['Failed', task.failed],
    ['Retried', task.retried],
    ['Revoked', task.revoked],
    ['Rejected', task.rejected],
  ];
  const texts: [string, string | null][] = [
    ['Not before (eta)', task.eta],
    ['Expires', task.expires],
    ['Routing key', task.routing_key],
    ['Exchange', task.exchange],
    ['Sent by', task.client],
    ['Broker', task.broker],
  ];
  return (
    <section class="block">
      <header>
        <h3>Times and way</h3>
      </header>
      <dl class="facts">
        {rows
          .filter(([, t]) => t)
          .map(([name, t]) => (
            <>
              <dt>{name}</dt>
              <dd>
                <When time={t} />
              </dd>
            </>
          ))}
        {texts
          .filter(([, t]) => t)
          .map(([name, t]) => (
            <>
              <dt>{name}</dt>
              <dd class="mono">{t}</dd>
            </>
          ))}
      </dl>
    </section>
  );
}

function Relative({ label, task }: { label: string; task: TaskRef }) {
  return (
    <li>
      <span class="dim">{label}</span> <State state={task.state} />{' '}
      <a href={taskLink(task.uuid)}>
        <Hue name={task.name ?? ''} />
        {task.name || task.uuid.slice(0, 8)}
      </a>
    </li>
  );
}

function Workflow({ task }: { task: FullTask }) {
  const children = task.children ?? [];
  const counts = new Map<string, number>();
  for (const c of children) counts.set(c.state ?? 'unknown', (counts.get(c.state ?? 'unknown') ?? 0) + 1);
  if (!task.parent_task && !task.root_task && !children.length) return null;
  return (
    <section class="block">
      <header>
        <h3>Workflow</h3>
        <span class="grow" />
        {children.length > 1 && [...counts].map(([s, n]) => <State key={s} state={s} word={`${n}`} />)}
      </header>
      <ul class="relatives">
        {task.root_task && task.root_task.uuid !== task.parent_task?.uuid && <Relative label="root" task={task.root_task} />}
        {task.parent_task && <Relative label={task.root_task?.uuid === task.parent_task.uuid ? 'parent, root' : 'parent'} task={task.parent_task} />}
        {children.slice(0, 50).map((c) => (
          <Relative key={c.uuid} label="child" task={c} />
        ))}
      </ul>
      {children.length > 50 && <p class="note">{children.length - 50} more children.</p>}
    </section>
  );
}

export function TaskPage({ uuid }: { uuid: string }) {
  const { data: task, error } = usePoll((signal) => getTask(uuid, signal), [uuid]);
  if (!task || (task.uuid !== uuid && !task.uuid.startsWith(uuid))) {
    if (error instanceof ApiError && error.status === 404) {
      return (
        <Empty title="This task is not in the history" text={error.message}>
          <a href={href(linkTo('/tasks'))}>To all tasks</a>
        </Empty>
      );
    }
    return error ? <Failed error={error} what="the task" /> : <Skeleton rows={10} height={40} />;
  }
  const signature = new URLSearchParams({ name: task.name ?? '', exception: task.exception_class ?? '' });
  return (
    <div class="task-page">
      <h2 class="page-title">
        <State state={task.state} /> <Hue name={task.name ?? ''} />
        {task.name ?? 'unnamed task'}
      </h2>
      <p class="task-facts">
        <span class="mono">{task.uuid}</span>
        <CopyButton text={task.uuid} label="Copy the id" />
        <span>
          <span class="dim">worker</span> {task.worker ? <a href={href(linkTo(`/workers/${encodeURIComponent(task.worker)}`))}>{task.worker}</a> : NO_VALUE}
        </span>
        <span>
          <span class="dim">queue</span> {task.queue ? <a href={href(linkTo(`/tasks?${new URLSearchParams({ queue: task.queue })}`))}>{task.queue}</a> : NO_VALUE}
        </span>
        <span>
          <span class="dim">ran</span> {formatDuration(task.runtime)}
        </span>
        {task.retries ? (
          <span>
            <span class="dim">retries</span> {task.retries}
          </span>
        ) : null}
        <a href={href(linkTo(`/tasks?${new URLSearchParams({ name: task.name ?? '' })}`))}>all of this name</a>
      </p>
      <Strip task={task} />
      <div class="two-columns">
        <div>
          <PythonValue title="Arguments" source={task.args} />
          <PythonValue title="Keyword arguments" source={task.kwargs} />
          {(task.result !== null || task.state === 'SUCCESS') && <PythonValue title="Result" source={task.result} />}
          <Workflow task={task} />
        </div>
        <div>
          {task.exception && (
            <section class="block exception">
              <header>
                <h3>Exception</h3>
                <span class="grow" />
                {task.exception_class && <a href={href(linkTo(`/tasks?${signature}`))}>all with this error</a>}
                <CopyButton text={task.exception} label="Copy exception" />
              </header>
              <pre class="value">{task.exception}</pre>
            </section>
          )}
          {task.traceback && <Traceback source={task.traceback} />}
          <Times task={task} />
        </div>
      </div>
    </div>
  );
}



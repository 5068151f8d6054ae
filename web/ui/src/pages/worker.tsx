/* /workers/{name}: one worker, its course and its last tasks. */
import { usePoll } from '../api/poll';
import { findTasks, getWorkers, Worker } from '../api/ui';
import { href, linkTo } from '../app/router';
import { Empty, Failed, Skeleton } from '../components/empty';
import { promString, QueryChart } from '../components/query_chart';
import { State, workerState } from '../components/state';
import { Ago, When } from '../components/time';
import { Hue } from '../components/hue';
import { taskLink } from '../components/uuid';
import { formatCount, formatDuration, NO_VALUE } from '../format/number';
import { loadText } from './workers';

function Facts({ w }: { w: Worker }) {
  const rows: [string, string][] = [
    ['Host', w.hostname],
    ['Process', w.pid ? String(w.pid) : NO_VALUE],
    ['Runs now', `${formatCount(w.active)}${w.concurrency ? ` of ${w.concurrency}` : ''}`],
    ['Processed since its start', formatCount(w.processed)],
    ['Succeeded, failed, retried', `${formatCount(w.succeeded)}, ${formatCount(w.failed)}, ${formatCount(w.retried)}`],
    ['Load 1, 5, 15 m', loadText(w)],
    ['Queues', (w.queues ?? []).join(', ') || NO_VALUE],
    ['Pool', w.pool ?? NO_VALUE],
    ['Prefetch', formatCount(w.prefetch)],
    ['Celery', w.sw_ver ? `${w.sw_ver} on ${w.sw_sys ?? 'unknown system'}` : NO_VALUE],
    ['Heartbeat every', w.freq ? formatDuration(w.freq) : NO_VALUE],
    ['Broker', w.broker ?? NO_VALUE],
  ];
  return (
    <section class="block">
      <dl class="facts">
        {rows.map(([k, v]) => (
          <>
            <dt>{k}</dt>
            <dd>{v}</dd>
          </>
        ))}
        <dt>First seen</dt>
        <dd>
          <When time={w.first_seen} />
        </dd>
        <dt>Last heartbeat</dt>
        <dd>
          <When time={w.last_seen} />
        </dd>
      </dl>
    </section>
  );
}

function LastTasks({ worker }: { worker: string }) {
  const { data } = usePoll((signal) => findTasks({ worker, limit: 12 }, signal), [worker]);
  if (!data) return <Skeleton rows={6} />;
  return (
    <section class="card-block">
      <header>
        <h2>Its last tasks</h2>
        <span class="grow" />
        <a href={href(linkTo(`/tasks?${new URLSearchParams({ worker })}`))}>all</a>
      </header>
      {data.tasks.length === 0 && <p class="dim">None in the history.</p>}
      <ul class="lines">
        {data.tasks.map((t) => (
          <li key={t.uuid}>
            <a class="line" href={taskLink(t.uuid)}>
              <span class="line-name">
                <Hue name={t.name ?? ''} />
                {t.name}
              </span>
              <span class="line-what">
                <State state={t.state} />
              </span>
              <span class="num">{formatDuration(t.runtime)}</span>
              <span class="num dim line-when">
                <Ago time={t.first_seen ?? t.received} />
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function WorkerPage({ name }: { name: string }) {
  const { data, error } = usePoll(getWorkers, []);
  if (!data) return error ? <Failed error={error} what="the worker" /> : <Skeleton />;
  const w = (data.data ?? []).find((x) => x.worker === name);
  const host = name.includes('@') ? name.slice(name.indexOf('@') + 1) : name;
  const selector = `hostname=${promString(host)}`;
  return (
    <>
      <h2 class="page-title">
        {w && <State state={workerState(w)} />} {name}
      </h2>
      {!w && <Empty small title="No heartbeat seen" text={`${name} has sent none since cloche started. Its tasks in the history are below.`} />}
      {w && !w.task_events && w.online && (
        <Empty small title="It sends no task events" text="Its tasks are missing here. Start it with -E, or switch events on now:" command={`celery -A yourapp control enable_events -d ${name}`} />
      )}
      <div class="two-columns">
        <div>
          {w && <Facts w={w} />}
          <LastTasks worker={name} />
        </div>
        <div class="stacked">
          <QueryChart title="Active tasks" queries={[{ expr: `sum(celery_task_active{worker=${promString(name)}}) or sum(celery_task_active{${selector}})`, legend: 'active' }]} />
          <QueryChart
            title="Tasks on this host"
            unit="ops"
            queries={[
              { expr: `sum(rate(celery_task_succeeded_total{${selector}}[$__rate_interval]))`, legend: 'succeeded', color: 'green' },
              { expr: `sum(rate(celery_task_failed_total{${selector}}[$__rate_interval]))`, legend: 'failed', color: 'red' },
            ]}
          />
        </div>
      </div>
    </>
  );
}

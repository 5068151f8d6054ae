/* /queues and /queues/{name}: what waits. */
import { usePoll } from '../api/poll';
import { getQueues, Queue } from '../api/ui';
import { href, linkTo } from '../app/router';
import { Empty, Failed, Skeleton } from '../components/empty';
import { Hue } from '../components/hue';
import { promString, QueryChart } from '../components/query_chart';
import { formatAge, formatCount, formatNumber, NO_VALUE } from '../format/number';

const BACKLOG = 100; /* the shipped alert's threshold */
const rate = (v: number | null) => (v === null ? NO_VALUE : `${formatNumber(v)}/s`);

function priorities(q: Queue): string {
  const entries = Object.entries(q.by_priority ?? {});
  if (entries.length < 2) return NO_VALUE;
  return entries
    .filter(([, n]) => n > 0)
    .map(([p, n]) => `${p}: ${formatCount(n)}`)
    .join(', ') || 'all empty';
}

function emptyIn(q: Queue): string {
  if (q.length === 0) return 'empty';
  const net = (q.out_rate ?? 0) - (q.in_rate ?? 0);
  return net > 0 ? formatAge(q.length / net) : 'grows or stands';
}

export function QueuesPage({ name }: { name?: string }) {
  const { data, error } = usePoll(getQueues, []);
  if (!data) return error ? <Failed error={error} what="the queues" /> : <Skeleton />;
  const queues = (data.data ?? []).filter((q) => !name || q.name === name).sort((a, b) => b.length - a.length || a.name.localeCompare(b.name));
  if (!queues.length) {
    return name ? (
      <Empty title={`No queue "${name}"`} text="It is in no binding, no event and not in the configuration." />
    ) : (
      <Empty title="No queue seen" text="Queues are found in the broker's bindings, in task events and under celery.queues in the configuration. Start a worker, or name the queue:" command={'targets:\n  - celery: {broker: redis://localhost:6379/0, queues: [celery]}'} />
    );
  }
  const selector = name ? `{queue_name=${promString(name)}}` : '';
  return (
    <>
      {name && <h2 class="page-title">{name}</h2>}
      <div class="table-scroll">
        <table class="grid">
          <thead>
            <tr>
              <th>Queue</th>
              <th class="num">Waiting</th>
              <th class="num">In</th>
              <th class="num">Out</th>
              <th class="num">Empty in</th>
              <th class="num hide-narrow">Taken, not done</th>
              <th class="num hide-narrow">Consumers</th>
              <th class="hide-narrow">By priority</th>
              <th class="hide-narrow">Broker</th>
              <th class="hide-narrow">Known from</th>
            </tr>
          </thead>
          <tbody>
            {queues.map((q) => (
              <tr key={`${q.broker} ${q.name}`}>
                <td>
                  <a href={href(linkTo(name ? `/tasks?${new URLSearchParams({ queue: q.name })}` : `/queues/${encodeURIComponent(q.name)}`))}>
                    <Hue name={q.name} />
                    {q.name}
                  </a>
                </td>
                <td class={q.length >= BACKLOG ? 'num bad-text' : 'num'}>{formatCount(q.length)}</td>
                <td class="num">{rate(q.in_rate)}</td>
                <td class="num">{rate(q.out_rate)}</td>
                <td class="num">{emptyIn(q)}</td>
                <td class="num hide-narrow">{formatCount(q.unacked)}</td>
                <td class="num hide-narrow">{q.consumers === 0 ? <span class="bad-text">none</span> : formatCount(q.consumers)}</td>
                <td class="hide-narrow">{priorities(q)}</td>
                <td class="hide-narrow">{q.broker}</td>
                <td class="hide-narrow dim">{(q.sources ?? []).join(', ')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="charts-row two">
        <QueryChart title="Waiting messages" queries={[{ expr: `sum by (queue_name) (celery_queue_length${selector})`, legend: '{{queue_name}}' }]} height={240} />
        <QueryChart title="Tasks received by queue" unit="ops" queries={[{ expr: `sum by (queue_name) (rate(celery_task_received_total${selector}[$__rate_interval]))`, legend: '{{queue_name}}' }]} height={240} />
      </div>
    </>
  );
}

/* /workers: who is there, what they do. */
import { usePoll } from '../api/poll';
import { getWorkers, Worker } from '../api/ui';
import { href, linkTo, navigate } from '../app/router';
import { Empty, Failed, Skeleton } from '../components/empty';
import { useListKeys } from '../components/list';
import { State, workerState } from '../components/state';
import { Ago } from '../components/time';
import { formatCount, formatNumber, NO_VALUE } from '../format/number';

export const workerLink = (name: string) => href(linkTo(`/workers/${encodeURIComponent(name)}`));

export const loadText = (w: Worker) => (w.loadavg?.length ? w.loadavg.map((l) => formatNumber(l, 2)).join(' ') : NO_VALUE);

export function WorkersPage() {
  const { data, error } = usePoll(getWorkers, []);
  const workers = [...(data?.data ?? [])].sort((a, b) => Number(a.online) - Number(b.online) || a.worker.localeCompare(b.worker));
  const at = useListKeys(workers.length, (i) => navigate(linkTo(`/workers/${encodeURIComponent(workers[i].worker)}`)));
  if (!data) return error ? <Failed error={error} what="the workers" /> : <Skeleton />;
  if (!workers.length) {
    return <Empty title="No worker seen" text="Workers appear with their first heartbeat. Is one running and connected to the broker that is watched?" command="celery -A yourapp worker -E" />;
  }
  return (
    <div class="table-scroll">
      <table class="grid">
        <thead>
          <tr>
            <th>Worker</th>
            <th>Status</th>
            <th class="num">Active</th>
            <th class="num hide-narrow">Processed</th>
            <th class="num hide-narrow">Succeeded</th>
            <th class="num hide-narrow">Failed</th>
            <th class="num hide-narrow">Load 1 5 15 m</th>
            <th class="hide-narrow">Queues</th>
            <th class="hide-narrow">Pool</th>
            <th class="num">Heartbeat</th>
          </tr>
        </thead>
        <tbody>
          {workers.map((w, i) => (
            <tr key={w.worker} data-row={i} class={i === at ? 'at' : ''}>
              <td>
                <a href={workerLink(w.worker)}>{w.worker}</a>
              </td>
              <td>
                <State state={workerState(w)} />
                {w.task_events === false && <span class="warn-text"> no task events</span>}
              </td>
              <td class="num">
                {formatCount(w.active)}
                {w.concurrency ? <span class="dim"> of {w.concurrency}</span> : null}
              </td>
              <td class="num hide-narrow">{formatCount(w.processed)}</td>
              <td class="num hide-narrow">{formatCount(w.succeeded)}</td>
              <td class={w.failed ? 'num hide-narrow bad-text' : 'num hide-narrow'}>{formatCount(w.failed)}</td>
              <td class="num hide-narrow">{loadText(w)}</td>
              <td class="hide-narrow">{(w.queues ?? []).join(', ') || NO_VALUE}</td>
              <td class="hide-narrow">{w.pool ?? NO_VALUE}</td>
              <td class="num dim">
                <Ago time={w.last_seen} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/* /: is anything broken, what failed last, where work piles up. */
import { usePoll } from '../api/poll';
import { getOverview, getTargets, Overview, Spark as SparkPoints } from '../api/ui';
import { getDashboard } from '../api/ui';
import { href, linkTo, navigate } from '../app/router';
import { useStatus } from '../app/status';
import { Spark } from '../chart/spark';
import { blindSpots, BlindList } from '../components/blind';
import { Empty, Failed, Skeleton } from '../components/empty';
import { Hue } from '../components/hue';
import { Icon } from '../components/icon';
import { useListKeys } from '../components/list';
import { State, toneOf } from '../components/state';
import { Ago } from '../components/time';
import { taskLink } from '../components/uuid';
import { readDashboard } from '../dashboard/migrate';
import { Panel } from '../dashboard/model';
import { PanelFrame } from '../panel/frame';
import { formatAge, formatCount, formatNumber, NO_VALUE } from '../format/number';
import { formatValue } from '../format/units';
import { useTick, useTimeRange } from '../app/clock';
import { useMemo } from 'preact/hooks';

const VERDICT_NAMES: Record<string, string> = { workers: 'Workers online', success: 'Success rate', queues: 'Waiting in queues', stale: 'Nobody offline' };
const VERDICT_WORDS: Record<string, string> = { ok: 'fine', warn: 'look', bad: 'broken', unknown: 'unknown' };
const toneColor = (state: string) => `var(--${toneOf(state)})`;

function Verdict({ v }: { v: Overview['verdicts'][number] }) {
  const unit = v.unit === '%' ? '%' : '';
  const target = v.target === null || v.id === 'stale' ? '' : v.id === 'success' ? `> ${formatNumber(v.target)}${unit}` : v.id === 'queues' ? `< ${formatCount(v.target)}` : `of ${formatCount(v.target)}`;
  return (
    <a class={`verdict ${toneOf(v.state)}`} href={href(linkTo(v.link || '/'))} data-verdict={v.id}>
      <span class="verdict-head">
        <span>{VERDICT_NAMES[v.id] ?? v.id}</span>
        <State state={v.state} word={VERDICT_WORDS[v.state] ?? v.state} />
      </span>
      <span class="verdict-number">
        {v.value === null ? NO_VALUE : formatNumber(v.value, unit ? 1 : Number.isInteger(v.value) ? 0 : null)}
        <span class="stat-unit">{unit}</span> <span class="verdict-target">{target}</span>
      </span>
      <span class="verdict-spark">{v.spark && <Spark points={v.spark} color={toneColor(v.state)} width={240} height={28} />}</span>
      <span class="verdict-text">{v.text}</span>
    </a>
  );
}

function Firing({ alerts }: { alerts: Overview['alerts'] }) {
  const firing = (alerts ?? []).filter((a) => a.state === 'firing');
  if (!firing.length) return null;
  return (
    <section class="firing" aria-label="Firing alerts">
      {firing.map((a, i) => (
        <a key={i} href={href(linkTo('/alerts'))}>
          <Icon name="alerts" /> <strong>{a.labels.alertname}</strong> <span>{a.summary || a.annotations?.summary || ''}</span> <span class="grow" />
          {a.activeAt && <Ago time={Date.parse(a.activeAt) / 1000} />}
        </a>
      ))}
    </section>
  );
}

function Failures({ failures }: { failures: Overview['failures'] }) {
  const open = (i: number) => failures[i] && navigate(linkTo(`/tasks/${failures[i].uuid}`));
  const at = useListKeys(failures.length, open);
  return (
    <section class="card-block">
      <header>
        <h2>Last failures</h2>
        <span class="grow" />
        <a href={href(linkTo('/tasks?state=FAILURE'))}>all</a>
      </header>
      {failures.length === 0 ? (
        <Empty small title="No failure" text="No task failed in the time that is kept." />
      ) : (
        <ul class="lines">
          {failures.slice(0, 8).map((f, i) => (
            <li key={f.uuid} data-row={i} class={i === at ? 'at' : ''}>
              <a href={taskLink(f.uuid)} class="line">
                <span class="line-name">
                  <Hue name={f.name} />
                  {f.name || 'unnamed task'}
                </span>
                <span class="line-what bad-text" title={f.exception}>
                  {f.exception || f.exception_class}
                </span>
                <span class="num">×{formatCount(f.count)}</span>
                <span class="num dim line-when">
                  <Ago time={f.last} />
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const rate = (v: number | null) => (v === null ? NO_VALUE : `${formatNumber(v)}/s`);

function Piling({ queues }: { queues: Overview['queues'] }) {
  return (
    <section class="card-block">
      <header>
        <h2>Where work piles up</h2>
        <span class="grow" />
        <a href={href(linkTo('/queues'))}>all</a>
      </header>
      {queues.length === 0 ? (
        <Empty small title="No queue seen" text="Queues appear when a broker answers: from its bindings, from events and from the configuration." />
      ) : (
        <div class="table-scroll">
          <table class="grid">
            <thead>
              <tr>
                <th>Queue</th>
                <th class="num">Waiting</th>
                <th class="num">In</th>
                <th class="num">Out</th>
                <th class="num hide-narrow">Empty in</th>
                <th class="hide-narrow" />
              </tr>
            </thead>
            <tbody>
              {queues.slice(0, 8).map((q) => (
                <tr key={q.name}>
                  <td>
                    <a href={href(linkTo(`/tasks?${new URLSearchParams({ queue: q.name })}`))}>
                      <Hue name={q.name} />
                      {q.name}
                    </a>
                  </td>
                  <td class={q.length >= 100 ? 'num bad-text' : 'num'}>{formatCount(q.length)}</td>
                  <td class="num">{rate(q.in_rate)}</td>
                  <td class="num">{rate(q.out_rate)}</td>
                  <td class="num hide-narrow">{q.length === 0 ? 'empty' : q.empty_in === null ? NO_VALUE : formatAge(q.empty_in)}</td>
                  <td class="spark-cell hide-narrow">{q.spark && <Spark points={q.spark} width={80} height={20} label={`length of ${q.name}`} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

const SERVICE_PAGES: Record<string, string> = { redis: '/dashboards/redis', postgres: '/dashboards/postgres', host: '/dashboards/host' };
const SERVICE_NAMES: Record<string, string> = { redis: 'Redis', postgres: 'PostgreSQL', host: 'Host', celery: 'Celery', self: 'cloche' };
/* "Redis"; with its name when it has a telling one. */
const serviceName = (kind: string, name: string) => [SERVICE_NAMES[kind] ?? kind, name && name !== 'main' ? name : ''].filter(Boolean).join(' ');
const serviceUnit = (unit: string) => (unit === '/s' ? 'ops' : unit === '%' ? 'percent' : unit);

function Service({ s }: { s: Overview['services'][number] }) {
  return (
    <a class="service" href={href(linkTo(SERVICE_PAGES[s.kind] ?? '/targets'))}>
      <State state={s.health} word={serviceName(s.kind, s.name)} />
      {s.health === 'up' ? (
        <span class="service-numbers">
          {s.numbers.map((n) => (
            <span key={n.label}>
              <span class="dim">{n.label}</span> {formatValue(n.value, serviceUnit(n.unit))}
            </span>
          ))}
        </span>
      ) : (
        <span class="bad-text">{s.error || 'no answer yet'}</span>
      )}
      <span class="service-spark">{s.spark && <Spark points={s.spark as SparkPoints} width={120} height={20} />}</span>
    </a>
  );
}

const CHARTS = ['Success and failure rate', 'Queue length', 'Execution time p95 by task'];

/* The Celery row of charts is cut from the shipped dashboard, so both always agree. */
function Charts() {
  const { data } = usePoll((signal) => getDashboard('celery', signal), [], false);
  const range = useTimeRange();
  const tick = useTick();
  const status = useStatus();
  const panels = useMemo((): Panel[] => {
    try {
      const compact = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };
      return data ? readDashboard(data).panels.filter((p) => CHARTS.includes(p.title)).map((p) => ({ ...p, options: { ...p.options, legend: compact } })) : [];
    } catch {
      return [];
    }
  }, [data]);
  const set = useMemo(() => new Map(data ? readDashboard(data).variables.map((v) => [v.name, { values: ['$__all'], options: [], variable: { ...v, includeAll: true, allValue: '.*' } }]) : []), [data]);
  const context = { variables: set, scope: {}, range, scrapeInterval: status?.scrape_interval || 15, dashboard: 'overview' };
  return (
    <div class="charts-row">
      {(panels.length ? panels : CHARTS.map(() => null)).map((p, i) =>
        p ? <PanelFrame key={p.id} panel={p} context={context} height={200} tick={`${p.id}|${range.from}-${range.to}|${tick}`} syncKey="page" /> : <div key={i} class="panel" style={{ height: '200px' }} />,
      )}
    </div>
  );
}

export function OverviewPage() {
  const { data, error } = usePoll(getOverview, []);
  const targets = usePoll(getTargets, []);
  const status = useStatus();
  if (!data) return error ? <Failed error={error} what="the overview" /> : <Skeleton rows={12} height={64} />;
  const spots = blindSpots(status, targets.data?.data?.activeTargets ?? []);
  return (
    <div class="overview">
      <div class="verdicts">
        {data.verdicts.map((v) => (
          <Verdict key={v.id} v={v} />
        ))}
      </div>
      <Firing alerts={data.alerts} />
      <div class="two-columns">
        <Failures failures={data.failures ?? []} />
        <Piling queues={data.queues ?? []} />
      </div>
      <Charts />
      <div class="services">
        {(data.services ?? []).map((s) => (
          <Service key={s.kind + s.name} s={s} />
        ))}
      </div>
      {spots.length > 0 && (
        <details class="card-block blind-block" data-blind>
          <summary>
            <Icon name="eye" /> What I cannot see, and why <span class="tag">{spots.length}</span>
          </summary>
          <BlindList spots={spots} />
        </details>
      )}
    </div>
  );
}

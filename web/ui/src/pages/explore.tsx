/* /explore: PromQL with completion, graph and table. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ApiError, errorText, isAbort } from '../api/http';
import { PromResult, queryInstant, queryRange, seriesName } from '../api/prom';
import { useTick, useTimeRange } from '../app/clock';
import { setQuery, useLocation } from '../app/router';
import { useStatus } from '../app/status';
import { useTheme } from '../app/theme';
import { LineChart } from '../chart/line';
import { ChartData } from '../chart/types';
import { CopyButton } from '../components/copy';
import { Empty, Skeleton } from '../components/empty';
import { Icon } from '../components/icon';
import { QueryBox } from '../components/query_box';
import { configure } from '../dashboard/field';
import { seriesFrames } from '../dashboard/frames';
import { panelOf } from '../dashboard/migrate';
import { alignRange, stepsOf } from '../dashboard/step';
import { interpolate } from '../dashboard/variables';
import { errorPosition } from '../format/promql';
import { formatDuration, formatNumber } from '../format/number';
import { chartData } from '../panel/timeseries';

const POINTS = 600;
const MAX_LINES = 200;
const MAX_ROWS = 500;

const EXAMPLES: [string, string][] = [
  ['Workers online', 'celery_workers'],
  ['Tasks received per second, by task', 'sum by (name) (rate(celery_task_received_total[5m]))'],
  ['Failed tasks per second', 'sum by (name) (rate(celery_task_failed_total[5m])) > 0'],
  ['95 of 100 runs are shorter', 'histogram_quantile(0.95, sum by (le, name) (rate(celery_task_runtime_seconds_bucket[5m])))'],
  ['Waiting messages', 'celery_queue_length'],
  ['PostgreSQL commits per second', 'rate(pg_stat_database_xact_commit[5m])'],
  ['Redis memory', 'redis_memory_used_bytes'],
];

interface Answer {
  query: string;
  range: PromResult | null;
  instant: PromResult | null;
  from: number;
  to: number;
  step: number;
  tookSeconds: number;
}

/* Scalars, strings and instants answer where a range makes no sense. */
async function run(query: string, from: number, to: number, step: number, signal: AbortSignal): Promise<Answer> {
  const started = performance.now();
  const [instant, range] = await Promise.allSettled([queryInstant(query, to, signal), queryRange(query, from, to, step, signal)]);
  if (instant.status === 'rejected') throw instant.reason;
  return { query, instant: instant.value, range: range.status === 'fulfilled' ? range.value : null, from, to, step, tookSeconds: (performance.now() - started) / 1000 };
}

/* Units follow the metric's name. */
function unitOf(query: string): string {
  if (/_bytes\b/.test(query)) return /\b(rate|irate|deriv)\(/.test(query) ? 'Bps' : 'bytes';
  if (/histogram_quantile|_seconds\b/.test(query) && !/_seconds_total/.test(query)) return 's';
  if (/\b(rate|irate)\(/.test(query) && !/\/\s*\(?\s*sum/.test(query)) return 'ops';
  return 'short';
}

function Graph({ answer }: { answer: Answer }) {
  const theme = useTheme();
  const data = useMemo((): ChartData => {
    const result = answer.range ?? { type: 'matrix' as const, series: [], warnings: [] };
    const panel = panelOf({ type: 'timeseries', fieldConfig: { defaults: { unit: unitOf(answer.query) } } });
    const limited = { ...result, series: result.series.slice(0, MAX_LINES) };
    const target = { refId: 'A', expr: answer.query, legendFormat: '', format: 'time_series' as const, instant: false, interval: '', intervalFactor: 1, hide: false, datasourceType: 'prometheus' };
    return chartData(configure(seriesFrames(limited, target, (s) => s).map((f) => ({ ...f, step: answer.step })), panel, (s) => s), theme);
  }, [answer, theme]);
  const count = answer.range?.series.length ?? 0;
  if (!count) return <Empty small title="No series in this range" text="Nothing matches between the two ends of the range. The name may be new, or the range too early." />;
  return (
    <>
      <LineChart data={data} range={{ from: answer.from, to: answer.to }} height={count > 8 ? 420 : 360} legend={{ show: true, mode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'min', 'mean', 'max'] }} label={answer.query} />
      {count > MAX_LINES && <p class="note">{count - MAX_LINES} more series are not drawn; narrow the query or use topk().</p>}
    </>
  );
}

function Table({ answer }: { answer: Answer }) {
  const result = answer.instant!;
  if (result.type === 'string') return <pre class="value">{result.text}</pre>;
  if (!result.series.length) return <Empty small title="No series at the end of the range" text="No series has a sample in the five minutes before it." />;
  const names = [...new Set(result.series.flatMap((s) => Object.keys(s.metric)))].sort((a, b) => (a === '__name__' ? -1 : b === '__name__' ? 1 : a.localeCompare(b)));
  const csv = [['time', ...names, 'value'].join(','), ...result.series.map((s) => [s.times[0], ...names.map((n) => JSON.stringify(s.metric[n] ?? '')), s.values[s.values.length - 1]].join(','))].join('\n');
  return (
    <>
      <div class="table-tools">
        <span class="dim">{result.series.length} series now</span>
        <span class="grow" />
        <CopyButton text={csv} label="Copy as CSV" words />
      </div>
      <div class="table-scroll">
        <table class="grid">
          <thead>
            <tr>
              {names.map((n) => (
                <th key={n}>{n === '__name__' ? 'name' : n}</th>
              ))}
              <th class="num">{result.type === 'matrix' ? 'samples' : 'value'}</th>
            </tr>
          </thead>
          <tbody>
            {result.series.slice(0, MAX_ROWS).map((s) => (
              <tr key={seriesName(s.metric)}>
                {names.map((n) => (
                  <td key={n}>{s.metric[n] ?? ''}</td>
                ))}
                <td class="num mono">{result.type === 'matrix' ? s.values.map((v, i) => `${formatNumber(v)} @${s.times[i]}`).join(' ') : formatNumber(s.values[0], Number.isInteger(s.values[0]) ? 0 : 6)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {result.series.length > MAX_ROWS && <p class="note">{result.series.length - MAX_ROWS} more series are not listed.</p>}
    </>
  );
}

function QueryError({ query, error }: { query: string; error: unknown }) {
  const text = errorText(error);
  const at = errorPosition(text, query);
  return (
    <div class="query-error" role="alert">
      {at !== null && (
        <pre class="mono">
          {query.slice(0, at.start)}
          <mark>{query.slice(at.start, at.end) || ' '}</mark>
          {query.slice(at.end)}
        </pre>
      )}
      <p class="bad-text">
        <Icon name="cross" /> {text}
      </p>
    </div>
  );
}

export function ExplorePage() {
  const { query: url } = useLocation();
  const query = url.get('q') ?? '';
  const range = useTimeRange();
  const tick = useTick();
  const status = useStatus();
  const [text, setText] = useState(query);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => setText(query), [query]);
  useEffect(() => {
    if (!query.trim()) {
      setAnswer(null);
      setError(null);
      return;
    }
    const abort = new AbortController();
    const steps = stepsOf({ interval: '', intervalFactor: 1 }, '', POINTS, range, status?.scrape_interval || 15);
    const filled = interpolate(query, { variables: new Map(), range, interval: steps.step, rateInterval: steps.rateInterval }, true);
    const aligned = alignRange(range, steps.step);
    setBusy(true);
    run(filled, aligned.from, aligned.to, steps.step, abort.signal).then(
      (a) => {
        setAnswer(a);
        setError(null);
        setBusy(false);
      },
      (e) => {
        if (isAbort(e)) return;
        if (!(e instanceof ApiError && e.type === 'unreachable')) setError(e);
        setBusy(false);
      },
    );
    return () => abort.abort();
  }, [query, range.from, range.to, tick]);
  const submit = (q: string) => setQuery({ q: q.trim() });
  return (
    <div class="explore">
      <QueryBox value={text} onInput={setText} onSubmit={submit} />
      {error !== null && <QueryError query={query} error={error} />}
      {!query && (
        <ul class="examples">
          {EXAMPLES.map(([title, q]) => (
            <li key={q}>
              <button type="button" class="example" onClick={() => submit(q)}>
                <span>{title}</span> <code>{q}</code>
              </button>
            </li>
          ))}
        </ul>
      )}
      {query && !answer && error === null && <Skeleton rows={8} height={40} />}
      {answer && error === null && (
        <>
          <p class="dim answer-line">
            {answer.range?.series.length ?? 0} series, step {formatDuration(answer.step)}, answered in {formatDuration(answer.tookSeconds)}
            {busy ? ', asking again…' : ''}
            {[...new Set([...(answer.instant?.infos ?? []), ...(answer.range?.infos ?? [])])].map((i) => (
              <span key={i}> · {i}</span>
            ))}
            {[...new Set([...(answer.instant?.warnings ?? []), ...(answer.range?.warnings ?? [])])].map((w) => (
              <span key={w} class="warn-text">
                {' '}
                · {w}
              </span>
            ))}
          </p>
          {answer.range && <Graph answer={answer} />}
          <Table answer={answer} />
        </>
      )}
    </div>
  );
}

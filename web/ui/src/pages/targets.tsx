/* /targets: what is watched, last success, error; and what cannot be seen, and why. */
import { usePoll } from '../api/poll';
import { getTargets, Target } from '../api/ui';
import { useStatus } from '../app/status';
import { BlindList, blindSpots, targetName } from '../components/blind';
import { Empty, Failed, Skeleton } from '../components/empty';
import { State } from '../components/state';
import { Ago } from '../components/time';
import { formatAge, formatCount, formatDuration } from '../format/number';
import { formatValue } from '../format/units';

/* "0001-01-01T00:00:00Z" means never. */
const stamp = (text: string | undefined): number | null => {
  const ms = text ? Date.parse(text) : NaN;
  return ms > 0 ? ms / 1000 : null;
};

const ORDER: Record<string, number> = { down: 0, unknown: 1, up: 2 };

function Row({ t }: { t: Target }) {
  return (
    <tr>
      <td>
        <State state={t.health} />
      </td>
      <td title={t.scrapeUrl}>
        {targetName(t)} <span class="dim">{t.labels?.instance}</span>
        {t.lastError && <div class="target-error bad-text">{t.lastError}</div>}
        {t.hint && <div class="target-error">{t.hint}</div>}
      </td>
      <td class="num">
        <Ago time={stamp(t.lastSuccess)} />
      </td>
      <td class="num hide-narrow">
        <Ago time={stamp(t.lastScrape)} />
      </td>
      <td class="num hide-narrow">{formatDuration(t.lastScrapeDuration)}</td>
      <td class="num hide-narrow">{formatCount(t.samples)}</td>
      <td class="num hide-narrow dim">{t.scrapeInterval}</td>
    </tr>
  );
}

function Watching() {
  const status = useStatus();
  if (!status) return null;
  const { config, store } = status;
  const facts: [string, string][] = [
    ['Version', `${status.version} ${status.revision}`],
    ['Configuration', config?.demo ? 'the demo brings its own' : (config?.file ?? 'none: taken from the environment and localhost')],
    ['Runs for', formatAge(status.uptime)],
    ['Series', formatCount(store.series)],
    ['On disk', formatValue(store.disk_bytes, 'bytes')],
    ['Oldest sample', store.oldest > 0 ? formatAge(status.now - store.oldest) + ' ago' : 'none yet'],
  ];
  if (store.damages > 0) facts.push([`Damage (${store.damages})`, store.newest_damage]);
  return (
    <section class="block">
      <header>
        <h3>This cloche</h3>
      </header>
      <dl class="facts">
        {facts.map(([k, v]) => (
          <>
            <dt>{k}</dt>
            <dd>{v}</dd>
          </>
        ))}
        {(config?.found ?? []).map((f) => (
          <>
            <dt>Found</dt>
            <dd>
              {f.what} <span class="dim">by {f.how}</span>
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}

export function TargetsPage() {
  const { data, error } = usePoll(getTargets, []);
  const status = useStatus();
  if (!data) return error ? <Failed error={error} what="the targets" /> : <Skeleton />;
  const targets = [...(data.data?.activeTargets ?? [])].sort((a, b) => ORDER[a.health] - ORDER[b.health] || targetName(a).localeCompare(targetName(b)));
  return (
    <>
      {targets.length === 0 ? (
        <Empty title="Nothing is watched" text="No broker, Redis or PostgreSQL was found. Name one in the environment and start cloche again:" command="CELERY_BROKER_URL=redis://localhost:6379/0 DATABASE_URL=postgresql://localhost/app cloche serve" />
      ) : (
        <div class="table-scroll">
          <table class="grid targets">
            <thead>
              <tr>
                <th class="col-state">Health</th>
                <th>Target</th>
                <th class="num">Last success</th>
                <th class="num hide-narrow">Last try</th>
                <th class="num hide-narrow">Took</th>
                <th class="num hide-narrow">Samples</th>
                <th class="num hide-narrow">Every</th>
              </tr>
            </thead>
            <tbody>
              {targets.map((t, i) => (
                <Row key={i} t={t} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div class="two-columns">
        <section class="card-block" data-blind>
          <header>
            <h2>What I cannot see, and why</h2>
          </header>
          <BlindList spots={blindSpots(status, targets)} />
        </section>
        <Watching />
      </div>
    </>
  );
}

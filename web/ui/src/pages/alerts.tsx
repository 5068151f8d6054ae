/* /alerts: what fires, the rules, what was sent, and whether receivers hear. */
import { useEffect } from 'preact/hooks';
import { usePoll } from '../api/poll';
import { Alert, alerts as getAlerts, Rule, RuleGroup, rules as getRules } from '../api/prom';
import { getNotifications, getReceivers, Notification, Receiver } from '../api/ui';
import { useTick, useTimeRange } from '../app/clock';
import { href, linkTo } from '../app/router';
import { useStatus } from '../app/status';
import { Empty, Failed, Skeleton } from '../components/empty';
import { Icon } from '../components/icon';
import { State, toneOf } from '../components/state';
import { Ago } from '../components/time';
import { panelOf } from '../dashboard/migrate';
import { formatDuration, formatNumber } from '../format/number';
import { PanelFrame } from '../panel/frame';

const seconds = (v: string | number | null | undefined): number | null => {
  if (v === null || v === undefined || v === '') return null;
  if (typeof v === 'number') return v;
  const ms = Date.parse(v);
  return ms > 0 ? ms / 1000 : null;
};

function Labels({ labels }: { labels: Record<string, string> | undefined }) {
  return (
    <span class="tags">
      {Object.entries(labels ?? {})
        .filter(([k]) => k !== 'alertname')
        .map(([k, v]) => (
          <span key={k} class="tag">
            {k}={v}
          </span>
        ))}
    </span>
  );
}

const valueText = (v: string | undefined) => (v === undefined ? '' : Number.isFinite(Number(v)) ? formatNumber(Number(v)) : v);

/* Depth of brackets at each letter, so that operators inside are left alone. */
function depthAt(query: string, end: number): number {
  let depth = 0;
  for (const c of query.slice(0, end)) depth += '([{'.includes(c) ? 1 : ')]}'.includes(c) ? -1 : 0;
  return depth;
}

/* "a / b < 0.9 and c >= 20" → what to draw (a / b) and where the line lies (0.9). */
export function splitThreshold(query: string): { expr: string; value: number } | null {
  const words = [...query.matchAll(/\b(and|or|unless)\b/gi)].filter((m) => depthAt(query, m.index!) === 0);
  if (words.length && words[0][1].toLowerCase() !== 'and') return null;
  const first = words.length ? query.slice(0, words[0].index) : query;
  const m = /^([\s\S]*?)\s*(?:==|!=|>=|<=|>|<)\s*(?:bool\s+)?(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*$/.exec(first);
  return m && m[1].trim() && depthAt(m[1], m[1].length) === 0 ? { expr: m[1], value: Number(m[2]) } : null;
}

function RuleChart({ rule }: { rule: Rule }) {
  const range = useTimeRange();
  const tick = useTick();
  const status = useStatus();
  const parts = splitThreshold(rule.query);
  const panel = panelOf({
    type: 'timeseries',
    targets: [{ refId: 'A', expr: parts?.expr ?? rule.query, legendFormat: '__auto' }],
    fieldConfig: {
      defaults: {
        unit: 'short',
        thresholds: { mode: 'absolute', steps: [{ value: null, color: 'transparent' }, ...(parts ? [{ value: parts.value, color: 'red' }] : [])] },
        custom: { thresholdsStyle: { mode: parts ? 'dashed' : 'off' } },
      },
    },
  });
  const context = { variables: new Map(), scope: {}, range, scrapeInterval: status?.scrape_interval || 15, dashboard: '' };
  return <PanelFrame panel={panel} context={context} height={180} tick={`${rule.name}|${range.from}-${range.to}|${tick}`} syncKey="page" />;
}

function Firing({ list }: { list: Alert[] }) {
  const order = [...list].sort((a, b) => (a.state === b.state ? 0 : a.state === 'firing' ? -1 : 1));
  if (!order.length) {
    return (
      <p class="all-well">
        <State state="ok" word="Nothing fires, nothing is pending." />
      </p>
    );
  }
  return (
    <ul class="alert-list">
      {order.map((a, i) => (
        <li key={a.id ?? i} class={a.state}>
          <div class="alert-head">
            <State state={a.state} /> <strong>{a.labels.alertname}</strong>
            <span>{a.summary || a.annotations?.summary}</span>
            <span class="grow" />
            <span>
              <span class="dim">value</span> {valueText(a.value)}
            </span>
            <span>
              <span class="dim">{a.state === 'firing' ? 'firing since' : 'pending since'}</span> <Ago time={seconds(a.state === 'firing' ? (a.firedAt ?? a.activeAt) : a.activeAt)} />
            </span>
          </div>
          {(a.description || a.annotations?.description) && <p>{a.description || a.annotations.description}</p>}
          <Labels labels={a.labels} />
        </li>
      ))}
    </ul>
  );
}

/* A rule's text before it fires has blanks where values will stand. */
const withoutTemplates = (s: string) => s.replace(/\{\{.*?\}\}/g, '…');

function RuleRow({ rule, open }: { rule: Rule; open: boolean }) {
  const state = rule.health === 'err' ? 'err' : rule.type === 'recording' ? 'inactive' : (rule.state ?? 'unknown');
  const word = rule.health === 'err' ? 'failed' : rule.type === 'recording' ? 'recorded' : undefined;
  return (
    <details class={`rule ${toneOf(state)}`} open={open} id={rule.id ? `rule-${rule.id}` : undefined}>
      <summary>
        <State state={state} word={word} /> <strong>{rule.name}</strong>
        <span class="dim rule-summary">{withoutTemplates(rule.annotations?.summary ?? rule.annotations?.description ?? '')}</span>
        {rule.duration ? <span class="dim">for {formatDuration(rule.duration)}</span> : null}
        {rule.labels?.severity && <span class="tag">{rule.labels.severity}</span>}
      </summary>
      {open || state !== 'inactive' || rule.type === 'alerting' ? <RuleBody rule={rule} /> : null}
    </details>
  );
}

function RuleBody({ rule }: { rule: Rule }) {
  return (
    <div class="rule-body">
      {rule.lastError && (
        <p class="bad-text">
          <Icon name="cross" /> {rule.lastError}
        </p>
      )}
      <pre class="value">{rule.query}</pre>
      <p>
        <a href={href(linkTo(`/explore?${new URLSearchParams({ q: rule.query })}`))}>Explore</a> <span class="dim">last asked</span> <Ago time={seconds(rule.lastEvaluation)} />
        {rule.evaluationTime !== undefined && <span class="dim">, took {formatDuration(rule.evaluationTime)}</span>}
      </p>
      {rule.type === 'alerting' && (rule.state === 'firing' || rule.state === 'pending') && <RuleChart rule={rule} />}
    </div>
  );
}

const RULE_ORDER: Record<string, number> = { firing: 0, pending: 1, unknown: 2, inactive: 3 };

function Rules({ groups, id }: { groups: RuleGroup[]; id?: string }) {
  if (!groups.length) return <Empty small title="No rules" text="Rule files are named under alerts.rules in the configuration; shipped rules are on unless switched off there." />;
  return (
    <>
      {groups.map((g) => (
        <section key={`${g.file} ${g.name}`} class="rule-group">
          <h3>
            {g.name} <span class="dim">{g.file.replace(/^.*\//, '')}, every {formatDuration(g.interval)}</span>
          </h3>
          {[...g.rules]
            .sort((a, b) => (RULE_ORDER[a.state ?? 'inactive'] ?? 3) - (RULE_ORDER[b.state ?? 'inactive'] ?? 3))
            .map((r) => (
              <RuleRow key={r.id ?? r.name} rule={r} open={(id !== undefined && r.id === id) || r.state === 'firing'} />
            ))}
        </section>
      ))}
    </>
  );
}

function Receivers({ list }: { list: Receiver[] }) {
  if (!list.length) {
    return <Empty small title="Nobody is told" text="Alerts only show here. Name a receiver in the configuration:" command={'receivers:\n  - name: team\n    slack: {url_file: /etc/cloche/slack_url}'} />;
  }
  return (
    <table class="grid">
      <thead>
        <tr>
          <th>Receiver</th>
          <th>Health</th>
          <th class="num">Queued</th>
          <th class="num">Last heard</th>
        </tr>
      </thead>
      <tbody>
        {list.map((r) => (
          <tr key={`${r.kind} ${r.name}`}>
            <td>
              {r.name} <span class="dim">{r.kind}</span>
              {r.last_error && <div class="target-error bad-text">{r.last_error}</div>}
            </td>
            <td>
              <State state={r.health} />
            </td>
            <td class="num">{r.queued}</td>
            <td class="num">
              <Ago time={seconds(r.last_success)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const alertName = (a: Notification['alerts'][number]) => (a.labels ?? a).alertname ?? 'alert';

function Notifications({ list }: { list: Notification[] }) {
  if (!list.length) return <p class="dim">None sent yet.</p>;
  return (
    <table class="grid">
      <thead>
        <tr>
          <th>What</th>
          <th>To</th>
          <th>State</th>
          <th class="num">When</th>
        </tr>
      </thead>
      <tbody>
        {list.slice(0, 30).map((n, i) => (
          <tr key={i}>
            <td>
              <State state={n.status} /> {(n.alerts ?? []).map(alertName).join(', ')}
            </td>
            <td>{n.receiver}</td>
            <td title={n.error ?? ''}>
              <State state={n.state} />
              {n.attempts > 1 && <span class="dim"> {n.attempts} tries</span>}
              {n.error && <span class="bad-text"> {n.error}</span>}
            </td>
            <td class="num dim">
              <Ago time={n.t} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function AlertsPage({ id }: { id?: string }) {
  const list = usePoll(getAlerts, []);
  const groups = usePoll(getRules, []);
  const notifications = usePoll(getNotifications, []);
  const receivers = usePoll(getReceivers, []);
  const status = useStatus();
  useEffect(() => {
    if (id && groups.data) document.getElementById(`rule-${id}`)?.scrollIntoView({ block: 'center' });
  }, [id, groups.data === null]);
  if (!list.data || !groups.data) return (list.error ?? groups.error) ? <Failed error={list.error ?? groups.error} what="the alerts" /> : <Skeleton />;
  const sink = status?.config?.sink_url;
  return (
    <div class="alerts">
      <Firing list={list.data} />
      <div class="two-columns wide-left">
        <section class="card-block">
          <header>
            <h2>Rules</h2>
          </header>
          <Rules groups={groups.data} id={id} />
        </section>
        <div>
          <section class="card-block">
            <header>
              <h2>Receivers</h2>
              <span class="grow" />
              {sink && (
                <a href={sink} target="_blank" rel="noreferrer">
                  what the demo's webhook received <Icon name="link" size={12} />
                </a>
              )}
            </header>
            <Receivers list={receivers.data?.data ?? []} />
          </section>
          <section class="card-block">
            <header>
              <h2>Sent</h2>
            </header>
            <Notifications list={notifications.data?.data ?? []} />
          </section>
        </div>
      </div>
    </div>
  );
}

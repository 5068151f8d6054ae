/* What cannot be seen, and why: sources not found, events off, gaps, refusals. Each with what to do. */
import { CeleryDocument, Status, Target } from '../api/ui';
import { formatAge, formatCount, formatDateTime } from '../format/number';
import { CopyButton } from './copy';
import { Icon } from './icon';

export interface BlindSpot {
  what: string;
  why: string;
  command?: string;
  tone: 'bad' | 'warn' | 'info';
}

/* "redis main": a name alone would not say what it is. */
export const targetName = (t: Target) => [t.collector || t.scrapePool, t.name].filter((x, i, all) => x && all.indexOf(x) === i).join(' ');

function celerySpots(c: CeleryDocument): BlindSpot[] {
  const out: BlindSpot[] = [];
  for (const worker of c.task_events_off ?? []) {
    out.push({ tone: 'warn', what: `No task events from ${worker}`, why: 'Its tasks are missing here. Start it with -E, or switch events on now:', command: `celery -A yourapp control enable_events -d ${worker}` });
  }
  if (!c.sent_events_seen && c.events_total > 0) {
    out.push({ tone: 'info', what: 'No task-sent events', why: 'Waiting time before a worker takes a task, and tasks that none takes, cannot be seen. In the Celery configuration:', command: 'task_send_sent_event = True' });
  }
  if (c.lost_events > 0) out.push({ tone: 'warn', what: `${formatCount(c.lost_events)} events were lost`, why: 'Counts of tasks in that time are too low.' });
  if (c.undecodable > 0) out.push({ tone: 'warn', what: `${formatCount(c.undecodable)} messages could not be read`, why: 'They are neither JSON nor a Celery event. Set event_serializer to json.' });
  for (const gap of (c.gaps ?? []).slice(-5)) {
    out.push({ tone: 'warn', what: `No events for ${formatAge(gap.to - gap.from)} from ${formatDateTime(gap.from)}`, why: gap.reason });
  }
  return out;
}

export function blindSpots(status: Status | null, targets: Target[]): BlindSpot[] {
  const out: BlindSpot[] = [];
  for (const t of targets) {
    if (t.health === 'down') out.push({ tone: 'bad', what: `${targetName(t)} does not answer`, why: [t.lastError, t.hint].filter(Boolean).join('. ') });
    else if (t.hint) out.push({ tone: 'warn', what: targetName(t), why: t.hint });
  }
  if (status?.store_only) out.push({ tone: 'info', what: 'Nothing is collected', why: 'cloche runs with --store-only: it stores and answers, no more.' });
  for (const m of status?.config?.missing ?? []) out.push({ tone: 'warn', what: `${m.what} is not watched`, why: m.hint });
  if (status?.celery) out.push(...celerySpots(status.celery));
  for (const note of status?.config?.notes ?? []) out.push({ tone: 'info', what: note, why: '' });
  return out;
}

export function BlindList({ spots }: { spots: BlindSpot[] }) {
  if (!spots.length) {
    return (
      <p class="state ok">
        <Icon name="check" /> Everything that was asked for answers.
      </p>
    );
  }
  return (
    <ul class="blind">
      {spots.map((s, i) => (
        <li key={i}>
          <span class={`state ${s.tone}`}>
            <Icon name={s.tone === 'bad' ? 'cross' : s.tone === 'warn' ? 'warn' : 'info'} />
          </span>
          <div>
            <strong>{s.what}</strong>
            {s.why && <p>{s.why}</p>}
            {s.command && (
              <div class="command">
                <code>{s.command}</code>
                <CopyButton text={s.command} label="Copy this" />
              </div>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

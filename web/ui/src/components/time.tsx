/* Times: relative with the absolute one in the title. */
import { useNow } from '../app/clock';
import { formatDateTime, formatRelative, NO_VALUE } from '../format/number';

export function Ago({ time }: { time: number | null | undefined }) {
  const now = useNow();
  if (!time) return <span class="dim">{NO_VALUE}</span>;
  return (
    <time dateTime={new Date(time * 1000).toISOString()} title={formatDateTime(time, true)}>
      {formatRelative(time, now)}
    </time>
  );
}

/* Both, for detail pages. */
export function When({ time }: { time: number | null | undefined }) {
  const now = useNow();
  if (!time) return <span class="dim">{NO_VALUE}</span>;
  return (
    <time dateTime={new Date(time * 1000).toISOString()}>
      {formatDateTime(time, true)} <span class="dim">{formatRelative(time, now)}</span>
    </time>
  );
}

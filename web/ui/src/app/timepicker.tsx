/* Range and refresh in the top bar. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../components/icon';
import { formatDateTime } from '../format/number';
import { currentRange, frozen, refreshNow, setRange, setRefresh, useRawRange, useRefreshSeconds } from './clock';
import { pickerOpen } from './keys';
import { useStore } from './store';
import { describeRange, isRelative, parseTime, PRESETS, RawRange, REFRESH_CHOICES, resolveRange } from './timerange';

/* "2026-11-23 09:15:00" in the machine's zone. */
const asText = (raw: string) => (/^\d{11,}$/.test(raw) ? formatDateTime(Number(raw) / 1000) : raw);

function stored(raw: string, now: number): string | null {
  const time = parseTime(raw, now);
  if (time === null) return null;
  return raw.trim().startsWith('now') ? raw.trim() : String(Math.round(time * 1000));
}

function Custom({ raw }: { raw: RawRange }) {
  const [from, setFrom] = useState(asText(raw.from));
  const [to, setTo] = useState(asText(raw.to));
  const [error, setError] = useState('');
  useEffect(() => {
    setFrom(asText(raw.from));
    setTo(asText(raw.to));
  }, [raw]);
  const apply = (e: Event) => {
    e.preventDefault();
    const now = Date.now() / 1000;
    const a = stored(from, now);
    const b = stored(to, now);
    if (a === null || b === null) return setError(`Cannot read "${a === null ? from : to}". Try now-90m, yesterday 14:00 or 2026-01-31 08:00.`);
    const range = resolveRange({ from: a, to: b }, now);
    if (Math.abs(range.from - (parseTime(a, now) ?? 0)) > 0.01) return setError('The start must be before the end.');
    setError('');
    setRange({ from: a, to: b });
    pickerOpen.set(false);
  };
  return (
    <form class="custom-range" onSubmit={apply}>
      <label>
        From <input type="text" value={from} onInput={(e) => setFrom(e.currentTarget.value)} spellcheck={false} />
      </label>
      <label>
        To <input type="text" value={to} onInput={(e) => setTo(e.currentTarget.value)} spellcheck={false} />
      </label>
      {error && <p class="bad-text">{error}</p>}
      <button type="submit" class="button primary">
        Show
      </button>
      <button type="button" class="button" title="The same range with fixed times, for a link" onClick={() => {
        const { from: a, to: b } = currentRange();
        setRange({ from: String(Math.round(a * 1000)), to: String(Math.round(b * 1000)) });
      }}>
        Fix times
      </button>
      <p class="dim">Local time, {Intl.DateTimeFormat().resolvedOptions().timeZone}. Also: now-90m, now/d, yesterday 14:00.</p>
    </form>
  );
}

export function TimePicker() {
  const raw = useRawRange();
  const seconds = useRefreshSeconds();
  const open = useStore(pickerOpen);
  const paused = useStore(frozen);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const close = (e: MouseEvent) => {
      if (!box.current?.contains(e.target as Node)) pickerOpen.set(false);
    };
    document.addEventListener('mousedown', close);
    box.current?.querySelector<HTMLElement>('[role=dialog] button')?.focus();
    return () => document.removeEventListener('mousedown', close);
  }, [open]);
  const refreshLabel = REFRESH_CHOICES.find((c) => c.seconds === seconds)?.label ?? `${seconds}s`;
  return (
    <div class="timepicker" ref={box}>
      <button type="button" class="button range" aria-haspopup="dialog" aria-expanded={open} onClick={() => pickerOpen.set(!open)} title="Time range (t)">
        <Icon name="clock" size={14} /> <span>{describeRange(raw)}</span>
      </button>
      <select class="control refresh" value={refreshLabel} onChange={(e) => setRefresh(e.currentTarget.value)} aria-label="Refresh every" title="Refresh every">
        {REFRESH_CHOICES.map((c) => (
          <option key={c.label}>{c.label}</option>
        ))}
        {!REFRESH_CHOICES.some((c) => c.label === refreshLabel) && <option>{refreshLabel}</option>}
      </select>
      <button type="button" class="icon-button" onClick={refreshNow} title="Refresh now" aria-label="Refresh now">
        <Icon name="refresh" size={14} />
      </button>
      <span class={`live-state ${paused ? 'paused' : seconds && isRelative(raw) ? 'live' : 'frozen'}`} title={paused ? 'paused: press l to go on' : seconds ? `refreshing every ${refreshLabel}` : 'not refreshing'}>
        {paused ? 'paused' : seconds && isRelative(raw) ? 'live' : 'frozen'}
      </span>
      {open && (
        <div class="popover picker" role="dialog" aria-label="Time range">
          <div class="presets">
            {PRESETS.map((p) => (
              <button
                key={p.label}
                type="button"
                class={raw.from === p.from && raw.to === 'now' ? 'button on' : 'button'}
                onClick={() => {
                  setRange({ from: p.from, to: 'now' });
                  pickerOpen.set(false);
                }}
              >
                {p.label}
              </button>
            ))}
          </div>
          <Custom raw={raw} />
        </div>
      )}
    </div>
  );
}

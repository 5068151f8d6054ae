/* Numbers, durations, bytes and times as people read them. Pure. */

export const THIN_SPACE = '\u2009';
export const NO_VALUE = '–';

/* Decimals that give about `digits` significant digits for v. */
export function autoDecimals(v: number, digits = 3): number {
  if (!Number.isFinite(v) || v === 0) return 0;
  const magnitude = Math.floor(Math.log10(Math.abs(v)));
  return Math.max(0, Math.min(digits - 1 - magnitude, 12));
}

/* 1234567.5 → "1 234 568" (thin spaces); decimals null: three significant digits, no trailing zeros. */
export function formatNumber(v: number, decimals: number | null = null): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? '+Inf' : '-Inf';
  let text = v.toFixed(decimals ?? autoDecimals(v));
  if (decimals === null && text.includes('.')) text = text.replace(/\.?0+$/, '');
  if (Number(text) === 0) text = text.replace('-', '');
  const [whole, fraction] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

export function formatCount(v: number | null | undefined): string {
  return v === null || v === undefined ? NO_VALUE : formatNumber(v, Number.isInteger(v) ? 0 : null);
}

const DURATION_STEPS: [number, string][] = [
  [86400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
  [1e-3, 'ms'],
  [1e-6, 'µs'],
  [1e-9, 'ns'],
];

/* Seconds with three significant digits in the unit that fits: "4.21 ms", "1.5 min". */
export function formatDuration(seconds: number | null | undefined, decimals: number | null = null): string {
  const parts = durationParts(seconds, decimals);
  return parts.unit ? `${parts.number} ${parts.unit}` : parts.number;
}

export function durationParts(seconds: number | null | undefined, decimals: number | null = null): { number: string; unit: string } {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return { number: NO_VALUE, unit: '' };
  if (seconds === 0) return { number: '0', unit: 's' };
  const size = Math.abs(seconds);
  /* A hair below a step is that step: differences of times are floats, and 0.9999999 ms reads as 1 ms. */
  const [factor, unit] = DURATION_STEPS.find(([f]) => size >= f * 0.9995) ?? DURATION_STEPS[DURATION_STEPS.length - 1];
  return { number: formatNumber(seconds / factor, decimals), unit };
}

/* Two coarse units, for ages and countdowns: "2 h 5 min", "41 s". */
export function formatAge(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s < 600 && s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  if (s < 86400) {
    const minutes = Math.floor((s % 3600) / 60);
    return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
  }
  const hours = Math.floor((s % 86400) / 3600);
  return hours && s < 86400 * 10 ? `${Math.floor(s / 86400)} d ${hours} h` : `${Math.floor(s / 86400)} d`;
}

/* One unit only: the absolute time stands beside it or in its title. */
export function formatRelative(time: number, now: number): string {
  const delta = now - time;
  const s = Math.abs(delta);
  if (s < 1) return 'now';
  const text = s < 60 ? `${Math.floor(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 * 2 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
  return delta >= 0 ? `${text} ago` : `in ${text}`;
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0');

export function formatDate(seconds: number): string {
  const d = new Date(seconds * 1000);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

export function formatClock(seconds: number, withMilliseconds = false): string {
  const d = new Date(seconds * 1000);
  const base = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return withMilliseconds ? `${base}.${pad(d.getMilliseconds(), 3)}` : base;
}

export function formatDateTime(seconds: number, withMilliseconds = false): string {
  return `${formatDate(seconds)} ${formatClock(seconds, withMilliseconds)}`;
}

/* Clock time today, with the date on other days. */
export function formatWhen(seconds: number, now: number): string {
  return formatDate(seconds) === formatDate(now) ? formatClock(seconds) : formatDateTime(seconds);
}

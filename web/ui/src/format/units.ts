/* Grafana's unit ids → text. Pure. An id that is not known is printed behind the number. */
import { durationParts, formatDateTime, formatNumber, formatRelative, NO_VALUE } from './number';

export interface Formatted {
  prefix: string;
  text: string;
  suffix: string;
}

type Formatter = (v: number, decimals: number | null, now: number) => Formatted;

const plain = (text: string, suffix = '', prefix = ''): Formatted => ({ prefix, text, suffix });

/* Scales by base and appends the word of the step reached. */
function scaled(base: number, steps: string[], separator = ' '): Formatter {
  return (v, decimals) => {
    let step = 0;
    let value = v;
    while (Math.abs(value) >= base && step < steps.length - 1) {
      value /= base;
      step++;
    }
    const digits = decimals ?? (step === 0 && Number.isInteger(v) ? 0 : null);
    return plain(formatNumber(value, digits), steps[step] ? separator + steps[step] : '');
  };
}

const SI = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const IEC = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const SHORT = ['', 'K', 'Mil', 'Bil', 'Tri', 'Quadr'];

const si = (unit: string) => scaled(1000, SI.map((p) => p + unit));
const iec = (unit: string) => scaled(1024, IEC.map((p) => p + unit));
const per = (word: string) => scaled(1000, SHORT.map((p) => (p ? `${p} ${word}` : word)));
const suffixed = (suffix: string): Formatter => (v, d) => plain(formatNumber(v, d), suffix);

function duration(factor: number): Formatter {
  return (v, d) => {
    const { number, unit } = durationParts(v * factor, d);
    return plain(number, unit ? ` ${unit}` : '');
  };
}

/* Scales bytes given in a larger unit. */
const bytesOf = (factor: number, base: Formatter): Formatter => (v, d, n) => base(v * factor, d, n);

function clockDuration(v: number): Formatted {
  const s = Math.abs(Math.round(v));
  const two = (n: number) => String(n).padStart(2, '0');
  return plain(`${v < 0 ? '-' : ''}${two(Math.floor(s / 3600))}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`);
}

const none: Formatter = (v, d) => plain(formatNumber(v, d ?? (Number.isInteger(v) ? 0 : null)));
const bytes = iec('B');
const decimalBytes = si('B');

/* At most two decimals, and none that are zero. */
const percentText = (v: number, d: number | null) => (d === null ? formatNumber(Number(v.toFixed(2))) : formatNumber(v, d));

const UNITS: Record<string, Formatter> = {
  none,
  string: none,
  short: scaled(1000, SHORT),
  locale: none,
  sci: (v, d) => plain(v.toExponential(d ?? 2)),
  hex: (v) => plain(Math.round(v).toString(16)),
  percent: (v, d) => plain(percentText(v, d), '%'),
  percentunit: (v, d) => plain(percentText(v * 100, d), '%'),
  humidity: suffixed('%H'),
  bytes,
  decbytes: decimalBytes,
  kbytes: bytesOf(1024, bytes),
  mbytes: bytesOf(1024 ** 2, bytes),
  gbytes: bytesOf(1024 ** 3, bytes),
  deckbytes: bytesOf(1e3, decimalBytes),
  decmbytes: bytesOf(1e6, decimalBytes),
  decgbytes: bytesOf(1e9, decimalBytes),
  bits: iec('b'),
  decbits: si('b'),
  Bps: si('B/s'),
  binBps: iec('B/s'),
  KBs: bytesOf(1e3, si('B/s')),
  MBs: bytesOf(1e6, si('B/s')),
  bps: si('b/s'),
  binbps: iec('b/s'),
  pps: si('p/s'),
  ops: per('ops/s'),
  reqps: per('req/s'),
  rps: per('rd/s'),
  wps: per('wr/s'),
  iops: per('io/s'),
  eps: per('evt/s'),
  cps: per('c/s'),
  mps: per('msg/s'),
  opm: per('ops/min'),
  rpm: per('rd/min'),
  hertz: si('Hz'),
  rotrpm: per('rpm'),
  celsius: suffixed(' °C'),
  fahrenheit: suffixed(' °F'),
  kelvin: suffixed(' K'),
  volt: si('V'),
  amp: si('A'),
  watt: si('W'),
  joule: si('J'),
  ns: duration(1e-9),
  µs: duration(1e-6),
  ms: duration(1e-3),
  s: duration(1),
  m: duration(60),
  h: duration(3600),
  d: duration(86400),
  dtdurations: duration(1),
  dtdurationms: duration(1e-3),
  dthms: clockDuration,
  dtdhms: clockDuration,
  clocks: clockDuration,
  clockms: (v) => clockDuration(v / 1000),
  dateTimeAsIso: (v) => plain(formatDateTime(v / 1000)),
  dateTimeAsIsoNoDateIfToday: (v) => plain(formatDateTime(v / 1000)),
  dateTimeAsLocal: (v) => plain(formatDateTime(v / 1000)),
  dateTimeFromNow: (v, _d, now) => plain(formatRelative(v / 1000, now)),
  currencyUSD: (v, d) => plain(formatNumber(v, d ?? 2), '', '$'),
  currencyEUR: (v, d) => plain(formatNumber(v, d ?? 2), '', '€'),
  currencyGBP: (v, d) => plain(formatNumber(v, d ?? 2), '', '£'),
  bool: (v) => plain(v ? 'True' : 'False'),
  bool_yes_no: (v) => plain(v ? 'Yes' : 'No'),
  bool_on_off: (v) => plain(v ? 'On' : 'Off'),
};

function parametric(unit: string): Formatter | null {
  const at = unit.indexOf(':');
  if (at < 0) return null;
  const word = unit.slice(at + 1);
  switch (unit.slice(0, at)) {
    case 'suffix':
      return suffixed(word);
    case 'prefix':
      return (v, d) => plain(formatNumber(v, d), '', word);
    case 'currency':
      return (v, d) => plain(formatNumber(v, d ?? 2), '', word);
    case 'si': {
      const match = /^([kMGTm]?)(.*)$/.exec(word);
      const factor = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, m: 1e-3 }[match?.[1] ?? ''] ?? 1;
      return bytesOf(factor, si(match?.[2] ?? word));
    }
    case 'time':
      return (v) => plain(formatDateTime(v / 1000));
    default:
      return null;
  }
}

export function formatParts(v: number | null, unit?: string, decimals: number | null = null, now = Date.now() / 1000): Formatted {
  if (v === null || v === undefined) return plain(NO_VALUE);
  if (!Number.isFinite(v)) return plain(formatNumber(v));
  const id = unit || 'none';
  const formatter = UNITS[id] ?? parametric(id) ?? suffixed(` ${id}`);
  return formatter(v, decimals, now);
}

export function formatValue(v: number | null, unit?: string, decimals: number | null = null, now = Date.now() / 1000): string {
  const { prefix, text, suffix } = formatParts(v, unit, decimals, now);
  return prefix + text + suffix;
}

/* Units whose automatic ticks should be multiples of powers of two. */
export function isBinaryUnit(unit?: string): boolean {
  return unit === 'bytes' || unit === 'kbytes' || unit === 'mbytes' || unit === 'gbytes' || unit === 'binBps' || unit === 'bits';
}

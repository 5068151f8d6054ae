/* Series and named colours for both themes. Pure but for the theme asked for. */

export type Theme = 'dark' | 'light';

/* Eight hues told apart with red-green blindness; each at least 3:1 on its theme's panel. */
const SERIES: Record<Theme, string[]> = {
  dark: ['#6aa5ff', '#f0a44b', '#35c2ad', '#e879b0', '#a99bff', '#d6ce4f', '#7fd0f2', '#d98b6a'],
  light: ['#2468d2', '#b86a00', '#0a8573', '#bd3a78', '#6a55cf', '#857d00', '#1b84b0', '#a8502a'],
};

/* Grafana's names: base hue and its five shades. */
const NAMED: Record<string, Record<Theme, string>> = {
  green: { dark: '#5fbf6b', light: '#2b8a3a' },
  red: { dark: '#f2666a', light: '#cf2f36' },
  orange: { dark: '#f2a04a', light: '#b96300' },
  yellow: { dark: '#e6cf52', light: '#8a7600' },
  blue: { dark: '#6aa5ff', light: '#2468d2' },
  purple: { dark: '#b69bf5', light: '#7a4fd0' },
  gray: { dark: '#9aa3b0', light: '#68717e' },
  white: { dark: '#ffffff', light: '#ffffff' },
  black: { dark: '#000000', light: '#000000' },
  text: { dark: '#dfe3ea', light: '#1b2029' },
  transparent: { dark: 'transparent', light: 'transparent' },
};
const SHADE: Record<string, number> = { 'super-light': 0.45, light: 0.22, semi: -0.12, 'semi-dark': -0.15, dark: -0.3 };

export const seriesColor = (index: number, theme: Theme) => SERIES[theme][index % SERIES[theme].length];

/* The same task or queue has the same hue on every page. */
export function hashHue(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return (h >>> 0) % SERIES.dark.length;
}

/* Hues for names shown together: the hashed one, or the next free one when it is taken. */
export function assignHues(names: string[]): Map<string, number> {
  const count = SERIES.dark.length;
  const taken = new Set<number>();
  const out = new Map<string, number>();
  for (const name of [...new Set(names)].sort()) {
    let hue = hashHue(name);
    if (taken.size < count) while (taken.has(hue)) hue = (hue + 1) % count;
    taken.add(hue);
    out.set(name, hue);
  }
  return out;
}

interface Rgba {
  r: number;
  g: number;
  b: number;
  a: number;
}

export function parseColor(text: string): Rgba | null {
  const hex = /^#([0-9a-f]{3,8})$/i.exec(text);
  if (hex) {
    let h = hex[1];
    if (h.length <= 4) h = [...h].map((c) => c + c).join('');
    const n = (i: number) => parseInt(h.slice(i, i + 2), 16);
    if (h.length !== 6 && h.length !== 8) return null;
    return { r: n(0), g: n(2), b: n(4), a: h.length === 8 ? n(6) / 255 : 1 };
  }
  const rgb = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)(?:[\s,/]+([\d.]+%?))?\s*\)$/i.exec(text);
  if (!rgb) return null;
  const alpha = rgb[4] === undefined ? 1 : rgb[4].endsWith('%') ? parseFloat(rgb[4]) / 100 : Number(rgb[4]);
  return { r: Number(rgb[1]), g: Number(rgb[2]), b: Number(rgb[3]), a: alpha };
}

const toCss = ({ r, g, b, a }: Rgba) => `rgba(${Math.round(r)}, ${Math.round(g)}, ${Math.round(b)}, ${Number(a.toFixed(3))})`;

export function withAlpha(color: string, alpha: number): string {
  const c = parseColor(color);
  return c ? toCss({ ...c, a: c.a * alpha }) : color;
}

function shaded(color: string, amount: number): string {
  const c = parseColor(color);
  if (!c) return color;
  const goal = amount > 0 ? 255 : 0;
  const part = Math.abs(amount);
  const mix = (v: number) => v + (goal - v) * part;
  return toCss({ r: mix(c.r), g: mix(c.g), b: mix(c.b), a: c.a });
}

/* "semi-dark-orange", "#hex", "rgba()" → CSS; anything else → grey. */
export function resolveColor(name: string | undefined | null, theme: Theme): string {
  if (!name) return NAMED.gray[theme];
  const base = NAMED[name];
  if (base) return base[theme];
  const shade = /^(super-light|semi-dark|light|dark)-(\w+)$/.exec(name);
  if (shade && NAMED[shade[2]]) return shaded(NAMED[shade[2]][theme], SHADE[shade[1]]);
  return parseColor(name) ? name : NAMED.gray[theme];
}

const RAMPS: Record<string, string[]> = {
  'continuous-GrYlRd': ['green', 'yellow', 'red'],
  'continuous-RdYlGr': ['red', 'yellow', 'green'],
  'continuous-BlYlRd': ['blue', 'yellow', 'red'],
  'continuous-YlRd': ['yellow', 'red'],
  'continuous-BlPu': ['blue', 'purple'],
  'continuous-YlBl': ['yellow', 'blue'],
  'continuous-blues': ['super-light-blue', 'dark-blue'],
  'continuous-reds': ['super-light-red', 'dark-red'],
  'continuous-greens': ['super-light-green', 'dark-green'],
  'continuous-purples': ['super-light-purple', 'dark-purple'],
};

/* part 0..1 along a continuous scheme. */
export function rampColor(mode: string, part: number, theme: Theme): string {
  const stops = (RAMPS[mode] ?? RAMPS['continuous-GrYlRd']).map((s) => parseColor(resolveColor(s, theme))!);
  const at = Math.max(0, Math.min(1, Number.isFinite(part) ? part : 0)) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  const f = at - i;
  const mix = (k: 'r' | 'g' | 'b' | 'a') => stops[i][k] + (stops[i + 1][k] - stops[i][k]) * f;
  return toCss({ r: mix('r'), g: mix('g'), b: mix('b'), a: mix('a') });
}

/* Black or white, whichever reads better on the colour. */
export function textOn(color: string): string {
  const c = parseColor(color);
  if (!c || c.a < 0.4) return 'inherit';
  return (c.r * 299 + c.g * 587 + c.b * 114) / 1000 > 140 ? '#111' : '#fff';
}

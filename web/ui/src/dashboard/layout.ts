/* Where panels go: Grafana's 24 columns, rows that open and close, copies of a repeat. Pure. */
import { GridPos, JsonObject, Panel } from './model';
import { flag, number, objects, text } from './read';

export const COLUMNS = 24;
export const CELL_HEIGHT = 30;
export const GAP = 8;
export const panelHeight = (h: number) => h * (CELL_HEIGHT + GAP) - GAP;

function pixels(v: unknown): number | null {
  return number(typeof v === 'string' ? v.replace(/px$/, '') : v);
}

/* Before schema 16: rows of panels with a span of 12. */
export function layOutRows(rows: JsonObject[]): JsonObject[] {
  const out: JsonObject[] = [];
  const kept = rows.filter((r) => !r.repeatIteration);
  const withHeads = kept.some((r) => flag(r.collapse) || flag(r.showTitle) || text(r.repeat));
  let y = 0;
  for (const row of kept) {
    const placed: JsonObject[] = [];
    const collapsed = flag(row.collapse);
    if (withHeads) y++;
    let x = 0;
    let lineHeight = 0;
    for (const panel of objects(row.panels)) {
      const w = Math.min(COLUMNS, (number(panel.span) ?? 4) * 2);
      const h = Math.max(3, Math.ceil((pixels(panel.height) ?? pixels(row.height) ?? 250) / 38));
      if (x + w > COLUMNS) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      placed.push({ ...panel, gridPos: { x, y, w, h } });
      x += w;
      lineHeight = Math.max(lineHeight, h);
    }
    const top = placed.length ? Math.min(...placed.map((p) => (p.gridPos as GridPos).y)) : y;
    if (withHeads) out.push({ type: 'row', title: row.title, repeat: row.repeat, collapsed, panels: collapsed ? placed : [], gridPos: { x: 0, y: top - 1, w: COLUMNS, h: 1 } });
    if (!collapsed || !withHeads) out.push(...placed);
    y += lineHeight;
  }
  return out;
}

/* Panels without a place go below all others, side by side. */
export function placeMissing(panels: Panel[]): Panel[] {
  let bottom = Math.max(0, ...panels.filter((p) => !Number.isNaN(p.grid.y)).map((p) => p.grid.y + p.grid.h));
  let x = 0;
  return panels.map((p) => {
    if (!Number.isNaN(p.grid.y)) return p;
    if (x + p.grid.w > COLUMNS) {
      x = 0;
      bottom += p.grid.h;
    }
    const placed = { ...p, grid: { ...p.grid, x, y: bottom } };
    x += p.grid.w;
    return placed;
  });
}

/* Scoped variables of a repeated copy: name → its single value. */
export type Scope = Record<string, string>;

export interface PlacedPanel {
  key: string;
  panel: Panel;
  grid: GridPos;
  scope: Scope;
}

export interface RowBlock {
  key: string;
  head: Panel | null; /* null: panels above the first row */
  scope: Scope;
  open: boolean;
  panels: PlacedPanel[];
}

const byPlace = (a: { grid: GridPos }, b: { grid: GridPos }) => a.grid.y - b.grid.y || a.grid.x - b.grid.x;

/* Gaps close upward; overlapping panels move down. */
function compact(panels: PlacedPanel[]): PlacedPanel[] {
  const skyline = new Array<number>(COLUMNS).fill(0);
  return [...panels].sort(byPlace).map((p) => {
    const columns = skyline.slice(p.grid.x, p.grid.x + p.grid.w);
    const y = Math.max(0, ...columns);
    skyline.fill(y + p.grid.h, p.grid.x, p.grid.x + p.grid.w);
    return { ...p, grid: { ...p.grid, y } };
  });
}

function repeated(panel: Panel, key: string, scope: Scope, valuesOf: (name: string) => string[]): PlacedPanel[] {
  if (!panel.repeat || panel.repeat in scope) return [{ key, panel, grid: panel.grid, scope }];
  const values = valuesOf(panel.repeat);
  if (!values.length) return [{ key, panel, grid: panel.grid, scope }];
  const perRow = panel.repeatDirection === 'v' ? 1 : Math.min(values.length, panel.maxPerRow);
  const w = panel.repeatDirection === 'v' ? panel.grid.w : Math.max(1, Math.floor(COLUMNS / perRow));
  return values.map((value, i) => ({
    key: `${key}:${value}`,
    panel,
    scope: { ...scope, [panel.repeat]: value },
    grid: { x: panel.repeatDirection === 'v' ? panel.grid.x : (i % perRow) * w, y: panel.grid.y + Math.floor(i / perRow) * panel.grid.h, w, h: panel.grid.h },
  }));
}

function place(panels: Panel[], prefix: string, scope: Scope, valuesOf: (name: string) => string[]): PlacedPanel[] {
  const out: PlacedPanel[] = [];
  let pushed = 0;
  for (const [i, panel] of [...panels].sort(byPlace).entries()) {
    const copies = repeated(panel, `${prefix}${panel.id || 'p'}-${i}`, scope, valuesOf);
    for (const c of copies) out.push({ ...c, grid: { ...c.grid, y: c.grid.y + pushed } });
    const height = Math.max(...copies.map((c) => c.grid.y + c.grid.h)) - panel.grid.y;
    if (height > panel.grid.h) pushed += height - panel.grid.h;
  }
  return compact(out);
}

/* Panels by row; isOpen overrides what the file says for a row. */
export function layOut(panels: Panel[], valuesOf: (name: string) => string[], isOpen: (key: string, byFile: boolean) => boolean): RowBlock[] {
  const sorted = [...panels].sort(byPlace);
  const groups: { head: Panel | null; members: Panel[] }[] = [{ head: null, members: [] }];
  for (const p of sorted) {
    if (p.type === 'row') groups.push({ head: p, members: [...p.panels] });
    else groups[groups.length - 1].members.push(p);
  }
  const blocks: RowBlock[] = [];
  groups.forEach((g, index) => {
    if (!g.head && !g.members.length) return;
    const values = g.head?.repeat ? valuesOf(g.head.repeat) : [];
    const scopes: Scope[] = values.length ? values.map((v) => ({ [g.head!.repeat]: v })) : [{}];
    for (const scope of scopes) {
      const key = `row-${g.head?.id ?? 'top'}-${index}${Object.values(scope).map((v) => `:${v}`).join('')}`;
      blocks.push({ key, head: g.head, scope, open: !g.head || isOpen(key, !g.head.collapsed), panels: place(g.members, `${key}/`, scope, valuesOf) });
    }
  });
  return blocks;
}

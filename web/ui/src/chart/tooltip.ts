/* The one tooltip of all charts: a fixed box beside the pointer. Texts only, never HTML. */
export interface TooltipRow {
  color: string;
  name: string;
  value: string;
  near: boolean;
}

const MAX_ROWS = 24;
let box: HTMLElement | null = null;
let owner: unknown = null;

function element(tag: string, className: string, text = ''): HTMLElement {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
}

function place(x: number, y: number): void {
  if (!box) return;
  const { width, height } = box.getBoundingClientRect();
  const left = x + 16 + width > window.innerWidth ? x - 16 - width : x + 16;
  const top = Math.min(Math.max(8, y - height / 2), window.innerHeight - height - 8);
  box.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}

export function showTooltip(by: unknown, title: string, rows: TooltipRow[], x: number, y: number): void {
  if (!box) {
    box = element('div', 'tooltip');
    document.body.append(box);
  }
  owner = by;
  const parts = [element('div', 'tooltip-time', title)];
  for (const row of rows.slice(0, MAX_ROWS)) {
    const line = element('div', row.near ? 'tooltip-row near' : 'tooltip-row');
    const swatch = element('span', 'swatch');
    swatch.style.background = row.color;
    line.append(swatch, element('span', 'tooltip-name', row.name), element('span', 'tooltip-value', row.value));
    parts.push(line);
  }
  if (rows.length > MAX_ROWS) parts.push(element('div', 'tooltip-time', `and ${rows.length - MAX_ROWS} more`));
  box.replaceChildren(...parts);
  box.hidden = false;
  place(x, y);
}

export function hideTooltip(by: unknown): void {
  if (box && owner === by) box.hidden = true;
}

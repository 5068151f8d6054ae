/* table: columns of one frame, sorted, coloured by threshold. */
import { useMemo, useState } from 'preact/hooks';
import { useTheme } from '../app/theme';
import { textOn, Theme, withAlpha } from '../chart/palette';
import { reduceValues } from '../chart/reduce';
import { boundsOf, showValue, valueColor } from '../dashboard/field';
import { Cell, Field, fieldLabel, Frame, timeField } from '../dashboard/frames';
import { flag, number, object, objects, text, texts } from '../dashboard/read';
import { sortFrame } from '../dashboard/transform';
import { formatDateTime } from '../format/number';
import { safeUrl } from './markdown';
import { PanelProps } from './types';

const MAX_ROWS = 500;

/* Many series without a transformation: the newest value of each, Grafana's table shows one frame at a time. */
function oneFrame(frames: Frame[], index: number): Frame {
  if (frames.length <= 1) return frames[0] ?? { refId: '', name: '', fields: [], length: 0 };
  if (frames.every((f) => f.fields.length === 2 && f.fields[0].type === 'time')) {
    const last = frames.map((f) => f.fields[1].values.length - 1);
    const value: Field = { ...frames[0].fields[1], name: 'Value', displayName: 'Value', values: frames.map((f, i) => f.fields[1].values[last[i]] ?? null) };
    const metric: Field = { name: 'Metric', type: 'string', values: frames.map((f) => f.name), labels: {}, config: frames[0].fields[0].config };
    return { refId: '', name: '', fields: [timeField(frames.map((f, i) => Number(f.fields[0].values[last[i]] ?? 0))), metric, value], length: frames.length };
  }
  return frames[index] ?? frames[0];
}

function cellText(value: Cell, field: Field, theme: Theme): string {
  if (field.type === 'time' && typeof value === 'number') return formatDateTime(value);
  return showValue(value, field.config, theme).text;
}

function TableCell({ value, field, row, fields, interpolate, theme }: { value: Cell; field: Field; row: number; fields: Field[]; interpolate: PanelProps['interpolate']; theme: Theme }) {
  const custom = field.config?.custom ?? {};
  const kind = text(object(custom.cellOptions).type) || text(custom.displayMode);
  const shown = showValue(value, field.config, theme);
  const content = cellText(value, field, theme);
  const bounds = boundsOf(field);
  const style: Record<string, string> = {};
  const colored = field.config && (typeof value === 'number' || shown.color) ? (shown.color ?? valueColor(value as number, field.config, bounds, theme, 0)) : null;
  if (colored && kind === 'color-text') style.color = colored;
  if (colored && kind.startsWith('color-background')) Object.assign(style, { background: colored, color: textOn(colored) });
  const link = field.config?.links[0];
  const numeric = field.type === 'number' && !shown.mapped;
  if ((kind === 'gauge' || kind === 'lcd-gauge' || kind === 'gradient-gauge') && typeof value === 'number') {
    const part = Math.max(0, Math.min(1, (value - bounds.min) / (bounds.max - bounds.min)));
    style.background = `linear-gradient(90deg, ${withAlpha(colored ?? '#888888', 0.35)} ${part * 100}%, transparent ${part * 100}%)`;
  }
  const extra: Record<string, string> = { '__value.raw': String(value ?? ''), '__value.text': content, __cell: String(value ?? '') };
  fields.forEach((f, i) => {
    extra[`__data.fields.${fieldLabel(f)}`] = String(f.values[row] ?? '');
    extra[`__cell_${i}`] = String(f.values[row] ?? '');
  });
  const url = link ? safeUrl(interpolate(link.url, extra)) : null;
  return (
    <td class={numeric ? 'num' : ''} style={style} title={content}>
      {url ? (
        <a href={url} target={link!.newTab ? '_blank' : undefined} rel="noreferrer">
          {content}
        </a>
      ) : (
        content
      )}
    </td>
  );
}

export function TablePanel({ panel, data, height, interpolate }: PanelProps) {
  const theme = useTheme();
  const { options } = panel;
  const [sort, setSort] = useState<{ name: string; desc: boolean } | null>(null);
  const frame = useMemo(() => oneFrame(data.frames, number(options.frameIndex) ?? 0), [data.frames]);
  const fields = frame.fields.filter((f) => !flag(f.config?.custom.hidden) && !flag(object(object(f.config?.custom).hideFrom).viz));
  const byFile = objects(options.sortBy)[0];
  const byIndex = number(options.sortByIndex);
  const initial = byFile ? { name: text(byFile.displayName), desc: flag(byFile.desc) } : byIndex !== null && fields[byIndex] ? { name: fieldLabel(fields[byIndex]), desc: flag(options.sortByIndexDesc) } : null;
  const order = sort ?? initial;
  const sorted = order ? sortFrame({ ...frame, fields }, order.name, order.desc) : { ...frame, fields };
  const rows = Math.min(sorted.length, MAX_ROWS);
  const footer = object(options.footer);
  const click = (name: string) => () => setSort(order?.name === name ? { name, desc: !order.desc } : { name, desc: true });
  return (
    <div class="table-panel" style={{ maxHeight: `${height}px` }}>
      <table class="grid">
        {flag(options.showHeader, true) && (
          <thead>
            <tr>
              {sorted.fields.map((f) => (
                <th key={fieldLabel(f)} class={f.type === 'number' ? 'num' : ''} aria-sort={order?.name === fieldLabel(f) ? (order.desc ? 'descending' : 'ascending') : undefined}>
                  <button type="button" onClick={click(fieldLabel(f))}>
                    {fieldLabel(f)}
                    {order?.name === fieldLabel(f) ? (order.desc ? ' ↓' : ' ↑') : ''}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {Array.from({ length: rows }, (_x, row) => (
            <tr key={row}>
              {sorted.fields.map((f) => (
                <TableCell key={fieldLabel(f)} value={f.values[row] ?? null} field={f} row={row} fields={sorted.fields} interpolate={interpolate} theme={theme} />
              ))}
            </tr>
          ))}
        </tbody>
        {flag(footer.show) && (
          <tfoot>
            <tr>
              {sorted.fields.map((f, i) => (
                <td key={fieldLabel(f)} class={f.type === 'number' ? 'num' : ''}>
                  {f.type === 'number' ? cellText(reduceValues(f.values as (number | null)[], texts(footer.reducer)[0] ?? 'sum'), f, theme) : i === 0 ? 'Total' : ''}
                </td>
              ))}
            </tr>
          </tfoot>
        )}
      </table>
      {sorted.length > rows && <p class="note">{sorted.length - rows} more rows are not shown.</p>}
    </div>
  );
}

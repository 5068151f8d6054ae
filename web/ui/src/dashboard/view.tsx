/* Draws a dashboard: variables, rows, panels on the grid. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { isAbort } from '../api/http';
import { usePageDefaults, useRawRange, useTick, useTimeRange } from '../app/clock';
import { useLocation } from '../app/router';
import { useStatus } from '../app/status';
import { parseRefresh } from '../app/timerange';
import { Empty } from '../components/empty';
import { Icon } from '../components/icon';
import { PanelFrame } from '../panel/frame';
import { safeUrl } from '../panel/markdown';
import { VariableControls } from './controls';
import { PanelContext } from './data';
import { CELL_HEIGHT, GAP, layOut, panelHeight, PlacedPanel, RowBlock } from './layout';
import { Dashboard } from './model';
import { resolveVariables, ResolvedVariables } from './options';
import { chosenValues, interpolate, VariableSet } from './variables';

const DEFAULT_SCRAPE_SECONDS = 15;
const NO_VARIABLES: VariableSet = new Map();

function useVariables(dashboard: Dashboard): ResolvedVariables | null {
  const { query } = useLocation();
  const range = useTimeRange();
  const raw = useRawRange();
  const [resolved, setResolved] = useState<ResolvedVariables | null>(dashboard.variables.length ? null : { set: NO_VARIABLES, errors: {} });
  const chosen = dashboard.variables.map((v) => query.getAll(`var-${v.name}`).join('\0')).join('\n');
  useEffect(() => {
    if (!dashboard.variables.length) return;
    const abort = new AbortController();
    resolveVariables(dashboard.variables, query, range, abort.signal).then(
      (next) => !abort.signal.aborted && setResolved(next),
      (error) => {
        if (!isAbort(error)) setResolved((r) => r ?? { set: NO_VARIABLES, errors: {} });
      },
    );
    return () => abort.abort();
  }, [dashboard, chosen, raw.from, raw.to]);
  return resolved;
}

/* A place on the 24 columns; the gap is part of the cell. */
function placeStyle(p: PlacedPanel): Record<string, string> {
  return { gridColumn: `${p.grid.x + 1} / span ${p.grid.w}`, gridRow: `${p.grid.y + 1} / span ${p.grid.h}` };
}

interface BlockProps {
  block: RowBlock;
  context: PanelContext | null;
  tick: string;
  syncKey: string | null;
  onToggle(key: string, open: boolean): void;
}

function Block({ block, context, tick, syncKey, onToggle }: BlockProps) {
  const scoped = context ? { ...context, scope: block.scope } : null;
  const title = block.head && (scoped ? interpolate(block.head.title, { variables: scoped.variables, scope: block.scope, range: scoped.range }) : block.head.title);
  return (
    <div class="row-block">
      {block.head && (
        <button type="button" class="row-head" aria-expanded={block.open} onClick={() => onToggle(block.key, !block.open)}>
          <Icon name={block.open ? 'down' : 'right'} size={12} /> {title || 'Row'}
          {!block.open && <span class="dim"> {block.panels.length} panels</span>}
        </button>
      )}
      {block.open && (
        <div class="panel-grid" style={{ gridAutoRows: `${CELL_HEIGHT}px`, gap: `${GAP}px` }}>
          {block.panels.map((p) => (
            <div key={p.key} class="cell" style={placeStyle(p)}>
              <PanelFrame panel={p.panel} context={context ? { ...context, scope: p.scope } : null} height={panelHeight(p.grid.h)} tick={`${p.key}|${tick}`} syncKey={syncKey} />
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

export function DashboardView({ dashboard }: { dashboard: Dashboard }) {
  const defaults = useMemo(() => ({ range: dashboard.time, refresh: dashboard.refresh ? parseRefresh(dashboard.refresh) : null }), [dashboard]);
  usePageDefaults(defaults.range, defaults.refresh);
  const range = useTimeRange();
  const status = useStatus();
  const resolved = useVariables(dashboard);
  const [open, setOpen] = useState<Record<string, boolean>>({});
  const context: PanelContext | null = resolved && { variables: resolved.set, scope: {}, range, scrapeInterval: status?.scrape_interval || DEFAULT_SCRAPE_SECONDS, dashboard: dashboard.title };
  const valuesOf = (name: string) => {
    const v = resolved?.set.get(name);
    return v ? chosenValues(v) : [];
  };
  const blocks = layOut(dashboard.panels, valuesOf, (key, byFile) => open[key] ?? byFile);
  const chosen = resolved ? JSON.stringify([...resolved.set].map(([n, v]) => [n, v.values, v.values.includes('$__all') ? v.options.length : 0])) : '';
  const refreshes = useTick();
  const tick = `${range.from}-${range.to}|${refreshes}|${chosen}`;
  if (!dashboard.panels.length) return <Empty title="This dashboard has no panels" text={`The JSON of "${dashboard.title}" lists none under "panels" or "rows".`} />;
  return (
    <div class="dashboard">
      {resolved && <VariableControls set={resolved.set} errors={resolved.errors} />}
      {dashboard.links.length > 0 && (
        <div class="dashboard-links">
          {dashboard.links.map((l) => {
            const url = safeUrl(l.url);
            return url ? (
              <a key={l.title} href={url} target={l.newTab ? '_blank' : undefined} rel="noreferrer">
                {l.title} <Icon name="link" size={12} />
              </a>
            ) : null;
          })}
        </div>
      )}
      {blocks.map((b) => (
        <Block key={b.key} block={b} context={context} tick={tick} syncKey="page" onToggle={(key, value) => setOpen({ ...open, [key]: value })} />
      ))}
    </div>
  );
}

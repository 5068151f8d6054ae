/* Runs a panel's queries and makes frames of the answers. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, errorText, isAbort } from '../api/http';
import { queryInstant, queryRange } from '../api/prom';
import { parseDuration, parseTime, TimeRange } from '../app/timerange';
import { configure } from './field';
import { Frame, seriesFrames, tableFrame } from './frames';
import { Scope } from './layout';
import { Panel, Target } from './model';
import { alignRange, stepsOf } from './step';
import { transform } from './transform';
import { interpolate, InterpolateContext, VariableSet } from './variables';

export interface PanelContext {
  variables: VariableSet;
  scope: Scope;
  range: TimeRange;
  scrapeInterval: number;
  dashboard: string;
}

export interface PanelData {
  frames: Frame[];
  range: TimeRange;
  errors: { refId: string; text: string; query: string }[];
  notes: string[];
  state: 'loading' | 'done';
  queries: string[];
}

const SERIES_LIMIT = 2000; /* per panel: more is no picture */

export function panelRange(panel: Panel, range: TimeRange): TimeRange {
  let { from, to } = range;
  if (panel.timeFrom) from = parseTime(panel.timeFrom.startsWith('now') ? panel.timeFrom : `now-${panel.timeFrom}`, to) ?? from;
  const shift = panel.timeShift ? parseDuration(panel.timeShift.replace(/^-/, '')) : null;
  if (shift !== null) {
    from -= shift;
    to -= shift;
  }
  return { from, to };
}

export function interpolation(context: PanelContext): InterpolateContext {
  return { variables: context.variables, scope: context.scope, range: context.range, dashboard: context.dashboard };
}

const isTimeSeriesPanel = (panel: Panel) => panel.type === 'timeseries';

async function runTarget(panel: Panel, target: Target, points: number, context: PanelContext, valueName: string, signal: AbortSignal): Promise<{ frames: Frame[]; notes: string[]; query: string }> {
  const range = panelRange(panel, context.range);
  const base = { ...interpolation(context), range };
  const wish = { ...target, interval: interpolate(target.interval, base) };
  const steps = stepsOf(wish, interpolate(panel.interval, base), points, range, context.scrapeInterval);
  const c = { ...base, interval: steps.step, rateInterval: steps.rateInterval };
  const query = interpolate(target.expr, c, true);
  const format = (s: string) => interpolate(s, c);
  const instant = target.instant && !isTimeSeriesPanel(panel);
  const aligned = alignRange(range, steps.step);
  const result = instant ? await queryInstant(query, range.to, signal) : await queryRange(query, aligned.from, aligned.to, steps.step, signal);
  const notes = [...result.warnings];
  if (result.series.length > SERIES_LIMIT) {
    notes.push(`${result.series.length} series; the first ${SERIES_LIMIT} are shown`);
    result.series.length = SERIES_LIMIT;
  }
  const asTable = target.format === 'table';
  const frames = asTable ? [tableFrame(result, target, valueName)] : seriesFrames(result, target, format).map((f) => ({ ...f, step: instant ? undefined : steps.step }));
  return { frames, notes, query };
}

/* The default data source answers PromQL only. */
function askable(panel: Panel): Target[] {
  return panel.targets.filter((t) => !t.hide && t.expr.trim() !== '' && !['loki', 'tempo', 'elasticsearch', 'influxdb', '__expr__', 'datasource'].includes(t.datasourceType));
}

export async function loadPanel(panel: Panel, points: number, context: PanelContext, signal: AbortSignal): Promise<PanelData> {
  const targets = askable(panel);
  const several = targets.length > 1;
  const settled = await Promise.allSettled(targets.map((t) => runTarget(panel, t, points, context, several ? `Value #${t.refId}` : 'Value', signal)));
  const out: PanelData = { frames: [], range: panelRange(panel, context.range), errors: [], notes: [], state: 'done', queries: [] };
  settled.forEach((s, i) => {
    if (s.status === 'fulfilled') {
      out.frames.push(...s.value.frames);
      out.notes.push(...s.value.notes);
      out.queries.push(s.value.query);
    } else if (isAbort(s.reason)) throw s.reason;
    else if (!(s.reason instanceof ApiError && s.reason.type === 'unreachable')) {
      out.errors.push({ refId: targets[i].refId, text: errorText(s.reason), query: targets[i].expr });
    } else throw s.reason;
  });
  const done = transform(out.frames, panel.transformations);
  if (done.unknown.length) out.notes.push(`not applied: ${done.unknown.join(', ')}`);
  out.frames = configure(done.frames, panel, (s, extra) => interpolate(s, { ...interpolation(context), extra }));
  return out;
}

const EMPTY: PanelData = { frames: [], range: { from: 0, to: 1 }, errors: [], notes: [], state: 'loading', queries: [] };

/* Loads while visible; the last answer stays while the server cannot be reached. */
export function usePanelData(panel: Panel, points: number, context: PanelContext | null, visible: boolean, key: string): PanelData {
  const [data, setData] = useState<PanelData>(EMPTY);
  const [, setFailed] = useState(false);
  const wanted = visible && context !== null && points > 0;
  const loaded = useRef('');
  useEffect(() => {
    if (!wanted || loaded.current === key) return;
    const abort = new AbortController();
    loadPanel(panel, points, context, abort.signal).then(
      (next) => {
        loaded.current = key;
        if (!abort.signal.aborted) setData(next);
      },
      (error) => {
        if (!isAbort(error)) setFailed(true);
      },
    );
    return () => abort.abort();
  }, [wanted, key, points]);
  return data;
}

/* Panels of Grafana's Angular days as today's: graph, singlestat, the old table. Pure. */
import { JsonObject } from './model';
import { array, flag, number, object, objects, text } from './read';

const CALC_OF: Record<string, string> = { current: 'lastNotNull', avg: 'mean', min: 'min', max: 'max', total: 'sum', first: 'firstNotNull', delta: 'delta', diff: 'diff', range: 'range', name: 'lastNotNull', last_time: 'last' };

type Property = { id: string; value: unknown };
const override = (matcher: string, options: unknown, properties: Property[]) => ({ matcher: { id: matcher, options }, properties });

function matcherOf(alias: string) {
  return /^\/.*\/[a-z]*$/.test(alias) ? { id: 'byRegexp', options: alias } : { id: 'byName', options: alias };
}

function seriesOverride(o: JsonObject, yaxes: JsonObject[]) {
  const properties: Property[] = [];
  const add = (id: string, value: unknown) => properties.push({ id, value });
  if (o.color) add('color', { mode: 'fixed', fixedColor: text(o.color) });
  if (number(o.fill) !== null) add('custom.fillOpacity', number(o.fill)! * 10);
  if (number(o.linewidth) !== null) add('custom.lineWidth', number(o.linewidth));
  if (o.dashes) add('custom.lineStyle', { fill: 'dash', dash: [8, 4] });
  if (o.transform) add('custom.transform', o.transform);
  if (o.bars) add('custom.drawStyle', 'bars');
  if (o.stack !== undefined) add('custom.stacking', { mode: o.stack ? 'normal' : 'none', group: text(o.stack, 'A') });
  if (o.hideTooltip || o.legend === false) add('custom.hideFrom', { tooltip: flag(o.hideTooltip), legend: o.legend === false });
  if (number(o.yaxis) === 2) {
    add('custom.axisPlacement', 'right');
    const right = object(yaxes[1]);
    if (right.format) add('unit', text(right.format));
    if (number(right.min) !== null) add('min', number(right.min));
    if (number(right.max) !== null) add('max', number(right.max));
  }
  return { matcher: matcherOf(text(o.alias)), properties };
}

function graphThresholds(list: JsonObject[]): { steps: { value: number | null; color: string }[]; style: string } {
  const color = (t: JsonObject) => text(t.lineColor) || ({ critical: 'red', warning: 'orange', ok: 'green' }[text(t.colorMode)] ?? 'red');
  const steps = list.filter((t) => number(t.value) !== null).map((t) => ({ value: number(t.value), color: color(t) }));
  const fill = list.some((t) => flag(t.fill));
  const line = list.some((t) => flag(t.line));
  return { steps: [{ value: null, color: 'transparent' }, ...steps], style: !steps.length ? 'off' : fill && line ? 'line+area' : fill ? 'area' : 'line' };
}

export function migrateGraph(json: JsonObject): JsonObject {
  const yaxes = objects(json.yaxes);
  const left = object(yaxes[0]);
  const legend = object(json.legend);
  const tooltip = object(json.tooltip);
  const thresholds = graphThresholds(objects(json.thresholds));
  const stacked = flag(json.stack);
  const lines = flag(json.lines, true);
  const calcs = Object.keys(CALC_OF).filter((k) => legend[k] === true && ['current', 'avg', 'min', 'max', 'total'].includes(k));
  const colors = Object.entries(object(json.aliasColors)).map(([name, color]) => override('byName', name, [{ id: 'color', value: { mode: 'fixed', fixedColor: text(color) } }]));
  const logBase = number(left.logBase) ?? 1;
  return {
    ...json,
    type: 'timeseries',
    fieldConfig: {
      defaults: {
        unit: text(left.format) || 'short',
        min: number(left.min),
        max: number(left.max),
        decimals: number(left.decimals) ?? number(json.decimals),
        color: { mode: 'palette-classic' },
        thresholds: { mode: 'absolute', steps: thresholds.steps },
        custom: {
          drawStyle: flag(json.bars) ? 'bars' : lines ? 'line' : 'points',
          fillOpacity: (number(json.fill) ?? 1) * 10,
          lineWidth: number(json.linewidth) ?? 1,
          lineInterpolation: flag(json.steppedLine) ? 'stepAfter' : 'linear',
          showPoints: flag(json.points) ? 'always' : 'never',
          spanNulls: json.nullPointMode === 'connected',
          nullAsZero: json.nullPointMode === 'null as zero',
          stacking: { mode: stacked ? (flag(json.percentage) ? 'percent' : 'normal') : 'none', group: 'A' },
          scaleDistribution: logBase > 1 ? { type: 'log', log: logBase } : { type: 'linear' },
          axisLabel: text(left.label),
          axisPlacement: left.show === false ? 'hidden' : 'auto',
          thresholdsStyle: { mode: thresholds.style },
        },
      },
      overrides: [...colors, ...objects(json.seriesOverrides).map((o) => seriesOverride(o, yaxes))],
    },
    options: {
      legend: {
        showLegend: flag(legend.show, true),
        displayMode: flag(legend.alignAsTable) ? 'table' : 'list',
        placement: flag(legend.rightSide) ? 'right' : 'bottom',
        calcs: flag(legend.values) || calcs.length ? calcs.map((c) => CALC_OF[c]) : [],
        sortBy: legend.sort ? CALC_OF[text(legend.sort)] : undefined,
        sortDesc: flag(legend.sortDesc),
      },
      tooltip: { mode: tooltip.shared === false ? 'single' : 'multi', sort: ['none', 'asc', 'desc'][number(tooltip.sort) ?? 0] ?? 'none' },
    },
  };
}

function oldMappings(json: JsonObject): unknown[] {
  const values = objects(json.valueMaps).map((m) => ({ type: 1, value: m.value, text: m.text }));
  const ranges = objects(json.rangeMaps).map((m) => ({ type: 2, from: m.from, to: m.to, text: m.text }));
  return number(json.mappingType) === 2 ? ranges : values;
}

function oldThresholds(value: unknown, colors: unknown[]): { value: number | null; color: string }[] {
  const numbers = (Array.isArray(value) ? value : text(value).split(',')).map(number).filter((n): n is number => n !== null);
  const color = (i: number) => text(colors[i], ['green', 'orange', 'red'][i] ?? 'red');
  return [{ value: null, color: numbers.length || colors.length ? color(0) : 'text' }, ...numbers.map((n, i) => ({ value: n, color: color(i + 1) }))];
}

export function migrateSinglestat(json: JsonObject): JsonObject {
  const gauge = object(json.gauge);
  const isGauge = flag(gauge.show);
  const name = text(json.valueName, 'avg');
  const background = flag(json.colorBackground);
  const affixes: Property[] = [];
  if (text(json.prefix)) affixes.push({ id: 'custom.prefix', value: text(json.prefix) });
  if (text(json.postfix)) affixes.push({ id: 'custom.postfix', value: text(json.postfix) });
  return {
    ...json,
    type: isGauge ? 'gauge' : 'stat',
    fieldConfig: {
      defaults: {
        unit: text(json.format) || 'none',
        decimals: number(json.decimals),
        min: isGauge ? (number(gauge.minValue) ?? 0) : null,
        max: isGauge ? (number(gauge.maxValue) ?? 100) : null,
        noValue: text(json.nullText) || undefined,
        mappings: oldMappings(json),
        thresholds: { mode: 'absolute', steps: oldThresholds(json.thresholds, array(json.colors)) },
        color: { mode: 'thresholds' },
        custom: Object.fromEntries(affixes.map((p) => [p.id.slice('custom.'.length), p.value])),
      },
      overrides: [],
    },
    options: {
      reduceOptions: { calcs: [CALC_OF[name] ?? 'mean'], values: false, fields: json.tableColumn && json.tableColumn !== 'Value' ? `/^${text(json.tableColumn)}$/` : '' },
      colorMode: background ? 'background' : flag(json.colorValue) ? 'value' : 'none',
      graphMode: flag(object(json.sparkline).show) ? 'area' : 'none',
      textMode: name === 'name' ? 'name' : 'value',
      showThresholdMarkers: flag(gauge.thresholdMarkers, true),
    },
  };
}

function styleOverride(style: JsonObject) {
  const properties: Property[] = [];
  const add = (id: string, value: unknown) => properties.push({ id, value });
  if (text(style.alias)) add('displayName', text(style.alias));
  if (style.type === 'hidden') add('custom.hidden', true);
  if (style.type === 'number') {
    if (text(style.unit)) add('unit', text(style.unit));
    if (number(style.decimals) !== null) add('decimals', number(style.decimals));
    if (array(style.thresholds).length) add('thresholds', { mode: 'absolute', steps: oldThresholds(style.thresholds, array(style.colors)) });
    if (style.colorMode) add('custom.cellOptions', { type: style.colorMode === 'value' ? 'color-text' : 'color-background' });
  }
  if (style.type === 'date') add('unit', 'dateTimeAsIso');
  if (array(style.valueMaps).length || array(style.rangeMaps).length) add('mappings', oldMappings(style));
  if (flag(style.link) && text(style.linkUrl)) add('links', [{ title: text(style.linkTooltip), url: text(style.linkUrl) }]);
  return { matcher: matcherOf(text(style.pattern)), properties };
}

/* timeseries_aggregations and timeseries_to_rows are transformations today; the others are how frames already look. */
export function migrateOldTable(json: JsonObject): JsonObject {
  const sort = object(json.sort);
  const transform = text(json.transform);
  const columns = objects(json.columns).map((c) => text(c.value) || text(c.text));
  const transformations: unknown[] = [...array(json.transformations)];
  if (transform === 'timeseries_aggregations') transformations.push({ id: 'reduce', options: { reducers: columns.map((c) => CALC_OF[c] ?? c) } });
  else if (transform === 'timeseries_to_rows') transformations.push({ id: 'seriesToRows', options: {} });
  else if (transform === 'timeseries_to_columns') transformations.push({ id: 'joinByField', options: { byField: 'Time' } });
  else transformations.push({ id: 'merge', options: {} });
  return {
    ...json,
    type: 'table',
    transformations,
    fieldConfig: { defaults: {}, overrides: objects(json.styles).filter((s) => text(s.pattern) && s.pattern !== '/.*/').map(styleOverride) },
    options: { showHeader: flag(json.showHeader, true), sortByIndex: number(sort.col), sortByIndexDesc: flag(sort.desc) },
  };
}

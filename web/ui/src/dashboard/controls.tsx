/* The variables of a dashboard as controls above it. */
import { useState } from 'preact/hooks';
import { setQuery } from '../app/router';
import { ALL } from './model';
import { VariableSet, VariableValue } from './variables';

const choose = (name: string, values: string[]) => setQuery({ [`var-${name}`]: values });

function MultiControl({ v }: { v: VariableValue }) {
  const { variable: d, options, values } = v;
  const [filter, setFilter] = useState('');
  const all = values.includes(ALL);
  const toggle = (value: string) => {
    const current = all ? [] : values;
    const next = current.includes(value) ? current.filter((x) => x !== value) : [...current, value];
    choose(d.name, next.length ? next : d.includeAll ? [ALL] : []);
  };
  const summary = all ? 'All' : values.length > 2 ? `${values.length} of ${options.length}` : values.map((x) => options.find((o) => o.value === x)?.text ?? x).join(', ') || 'none';
  const shown = options.filter((o) => o.text.toLowerCase().includes(filter.toLowerCase()));
  return (
    <details class="select">
      <summary>{summary}</summary>
      <div class="popover options">
        {options.length > 8 && <input type="search" placeholder="filter" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} aria-label={`filter ${d.label}`} />}
        {d.includeAll && (
          <label>
            <input type="checkbox" checked={all} onChange={() => choose(d.name, [ALL])} /> All
          </label>
        )}
        {shown.slice(0, 300).map((o) => (
          <label key={o.value}>
            <input type="checkbox" checked={!all && values.includes(o.value)} onChange={() => toggle(o.value)} /> {o.text}
          </label>
        ))}
        {!options.length && <p class="dim">No value in this range.</p>}
      </div>
    </details>
  );
}

function SingleControl({ v }: { v: VariableValue }) {
  const { variable: d, options, values } = v;
  if (d.type === 'textbox') {
    return <input type="text" class="control" value={values[0] ?? ''} onChange={(e) => choose(d.name, [e.currentTarget.value])} aria-label={d.label} />;
  }
  return (
    <select class="control" value={values[0] ?? ''} onChange={(e) => choose(d.name, [e.currentTarget.value])} aria-label={d.label}>
      {d.includeAll && <option value={ALL}>All</option>}
      {d.auto && <option value={`$__auto_interval_${d.name}`}>auto</option>}
      {options.map((o) => (
        <option key={o.value} value={o.value}>
          {o.text}
        </option>
      ))}
      {!options.length && !d.includeAll && <option value="">none</option>}
    </select>
  );
}

export function VariableControls({ set, errors }: { set: VariableSet; errors: Record<string, string> }) {
  const shown = [...set.values()].filter((v) => v.variable.hide !== 2 && !['datasource', 'constant', 'adhoc', 'other'].includes(v.variable.type));
  if (!shown.length) return null;
  return (
    <div class="variables">
      {shown.map((v) => (
        <div key={v.variable.name} class="variable" title={errors[v.variable.name]}>
          {v.variable.hide !== 1 && <span class="variable-label">{v.variable.label}</span>}
          {v.variable.multi ? <MultiControl v={v} /> : <SingleControl v={v} />}
          {errors[v.variable.name] && <span class="bad-text">failed</span>}
        </div>
      ))}
    </div>
  );
}

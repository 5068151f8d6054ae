import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, Variable } from '../src/dashboard/model';
import { applyRegex, choose, dependencyOrder, parseVariableQuery, sortOptions } from '../src/dashboard/options';
import { interpolate, InterpolateContext, legendText, VariableValue } from '../src/dashboard/variables';

function variable(name: string, more: Partial<Variable> = {}): Variable {
  return { name, label: name, type: 'query', query: '', regex: '', sort: 0, refresh: 1, hide: 0, multi: false, includeAll: false, allValue: null, current: [], options: [], auto: false, autoCount: 30, autoMin: '10s', ...more };
}
function value(values: string[], offered: string[], more: Partial<Variable> = {}): VariableValue {
  return { values, options: offered.map((v) => ({ text: v, value: v })), variable: variable('x', more) };
}
const context = (entries: Record<string, VariableValue>, more: Partial<InterpolateContext> = {}): InterpolateContext => ({ variables: new Map(Object.entries(entries)), range: { from: 1000, to: 4600 }, interval: 15, rateInterval: 60, ...more });

test('all four spellings, unknown names stay', () => {
  const c = context({ job: value(['api'], ['api']) });
  assert.equal(interpolate('$job ${job} [[job]] ${job:raw} $jobs ${nobody} $', c, true), 'api api api api $jobs ${nobody} $');
});

test('several values become an escaped alternation', () => {
  const c = context({ i: value(['a.b:1', 'c+d'], ['a.b:1', 'c+d'], { multi: true }) });
  assert.equal(interpolate('up{i=~"$i"}', c, true), 'up{i=~"(a\\\\.b:1|c\\\\+d)"}');
});

test('a single value of a multi variable is escaped too, of a plain one only for the quotes', () => {
  assert.equal(interpolate('$i', context({ i: value(['a.b'], ['a.b'], { multi: true }) }), true), 'a\\\\.b');
  assert.equal(interpolate('$i', context({ i: value(['a.b"'], ['a.b"']) }), true), 'a.b\\"');
});

test('all is every option, or allValue as it is written', () => {
  assert.equal(interpolate('$i', context({ i: value([ALL], ['a', 'b'], { multi: true, includeAll: true }) }), true), '(a|b)');
  assert.equal(interpolate('$i', context({ i: value([ALL], ['a', 'b'], { multi: true, includeAll: true, allValue: '.+' }) }), true), '.+');
});

test('a repeated copy sees its own value', () => {
  const c = context({ i: value([ALL], ['a', 'b'], { multi: true, includeAll: true, allValue: '.+' }) }, { scope: { i: 'b' } });
  assert.equal(interpolate('$i', c, true), 'b');
  assert.equal(interpolate('$i', c), 'b');
});

test('formats', () => {
  const c = context({ i: value(['a', 'b/c'], ['a', 'b/c'], { multi: true }) });
  assert.equal(interpolate('${i:csv}|${i:pipe}|${i:json}|${i:queryparam}|${i:singlequote}', c), "a,b/c|a|b/c|[\"a\",\"b/c\"]|var-i=a&var-i=b%2Fc|'a','b/c'");
});

test('built-in names', () => {
  const c = context({});
  assert.equal(interpolate('[$__rate_interval] $__interval $__range ${__range_s} $__interval_ms $__from ${__to:date:seconds}', c), '[1m] 15s 3600s 3600 15000 1000000 4600');
});

test('legend templates take labels', () => {
  assert.equal(legendText('{{ name }} on {{host}} {{missing}}', { name: 'a', host: 'b' }), 'a on b ');
});

test('variable queries are taken apart', () => {
  assert.deepEqual(parseVariableQuery('label_values(up{job="a,b"}, instance)'), { kind: 'label_values', selector: 'up{job="a,b"}', label: 'instance' });
  assert.deepEqual(parseVariableQuery('label_values(instance)'), { kind: 'label_values', selector: '', label: 'instance' });
  assert.deepEqual(parseVariableQuery('query_result(topk(5, up))'), { kind: 'query_result', selector: 'topk(5, up)', label: '' });
});

test('a regex filters and takes groups', () => {
  assert.deepEqual(applyRegex(['up{instance="a:1"} 1 2', 'other'], '/.*instance="([^"]+).*/'), [{ text: 'a:1', value: 'a:1' }]);
  assert.deepEqual(applyRegex(['x-1'], '/(?<text>\\w)-(?<value>\\d)/'), [{ text: 'x', value: '1' }]);
  assert.deepEqual(applyRegex(['a'], '/[/'), [{ text: 'a', value: 'a' }]);
});

test('options sort by number, by text, and once each', () => {
  const options = ['n10', 'n9', 'n9', 'N1'].map((v) => ({ text: v, value: v }));
  assert.deepEqual(sortOptions(options, 3).map((o) => o.value), ['N1', 'n9', 'n10']);
  assert.deepEqual(sortOptions(options, 2).map((o) => o.value), ['n9', 'n10', 'N1']);
});

test('a value no longer offered falls back to the first option', () => {
  const offered = [{ text: 'a', value: 'a' }, { text: 'b', value: 'b' }];
  assert.deepEqual(choose(variable('v'), offered, ['gone']), ['a']);
  assert.deepEqual(choose(variable('v'), offered, ['b']), ['b']);
  assert.deepEqual(choose(variable('v', { includeAll: true, current: ['$__all'] }), offered, []), [ALL]);
  assert.deepEqual(choose(variable('v', { multi: true }), offered, ['b', 'a', 'x']), ['b', 'a']);
});

test('chained variables come after what they need; a circle ends', () => {
  const list = [variable('c', { query: 'label_values(x{b="$b"}, c)' }), variable('b', { query: 'label_values(x{a="$a"}, b)' }), variable('a')];
  assert.deepEqual(dependencyOrder(list).map((v) => v.name), ['a', 'b', 'c']);
  const circle = [variable('a', { query: '$b' }), variable('b', { query: '$a' })];
  assert.equal(dependencyOrder(circle).length, 2);
});

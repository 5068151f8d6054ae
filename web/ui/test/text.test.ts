import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchPath } from '../src/app/router';
import { cursorPlace, errorPosition, rankMatches } from '../src/format/promql';
import { looksCut, parsePython } from '../src/format/pyrepr';
import { foldLibraries, parseTraceback } from '../src/format/traceback';
import { safeUrl } from '../src/panel/markdown';
import { splitThreshold } from '../src/pages/alerts';

test('python reprs become trees', () => {
  const node = parsePython("('a', 1.5, {'k': [None, True], b'x': Order(id=1, tags={'q'})}, set(), {1, 2})");
  assert.equal(node?.kind, 'sequence');
  if (node?.kind !== 'sequence') return;
  assert.equal(node.items.length, 5);
  const dict = node.items[2];
  assert.ok(dict.kind === 'dict' && dict.entries.length === 2);
  assert.deepEqual(dict.kind === 'dict' && dict.entries[1][1], { kind: 'scalar', type: 'other', text: "Order(id=1, tags={'q'})" });
  assert.deepEqual(node.items[4].kind, 'sequence');
  assert.equal(parsePython("'it\\'s'")?.kind, 'scalar');
});

test('cut or broken reprs stay texts, deep ones end', () => {
  for (const bad of ["('a', 'b...", '{', '[1, 2', "{'a': }", '(1 2', '']) assert.equal(parsePython(bad), null, bad);
  assert.equal(parsePython('['.repeat(5000)), null);
  assert.ok(looksCut("('aaaa...',)"));
  assert.ok(!looksCut("('a', 1)"));
});

test('tracebacks fold library frames', () => {
  const source = 'Traceback (most recent call last):\n  File "/usr/lib/python3/dist-packages/celery/app/trace.py", line 1, in trace\n    R = fun()\n  File "/usr/lib/python3/dist-packages/celery/app/trace.py", line 2, in call\n    return self.run()\n  File "/srv/app/tasks.py", line 3, in pay\n    raise ValueError(1)\n    ^^^^^\nValueError: 1\n';
  const parts = foldLibraries(parseTraceback(source));
  assert.deepEqual(parts.map((p) => p.kind), ['text', 'folded', 'frame', 'text']);
  const own = parts[2];
  assert.ok(own.kind === 'frame' && own.frame.line === 3 && own.frame.where === 'pay' && own.frame.code.includes('raise'));
});

test('errors point into the query', () => {
  assert.deepEqual(errorPosition('1:5: parse error: unexpected ident', 'sum(nope)'), { start: 4, end: 9 - 1 });
  assert.deepEqual(errorPosition('invalid parameter "query": 2:1: parse error', 'a\nbc'), { start: 2, end: 4 });
  assert.equal(errorPosition('out of memory', 'a'), null);
  assert.deepEqual(errorPosition('1:99: parse error: unexpected end', 'a'), { start: 1, end: 1 });
});

test('completion knows where the cursor is', () => {
  const at = (q: string) => cursorPlace(q, q.length);
  assert.deepEqual(at('sum(celery_'), { kind: 'name', prefix: 'celery_', start: 4 });
  assert.deepEqual(at('up{jo'), { kind: 'label', prefix: 'jo', start: 3, metric: 'up' });
  assert.deepEqual(at('up{job="ap'), { kind: 'value', prefix: 'ap', start: 8, metric: 'up', label: 'job' });
  assert.deepEqual(at('up{job="}", inst'), { kind: 'label', prefix: 'inst', start: 12, metric: 'up' });
  assert.deepEqual(at('sum by (na'), { kind: 'label', prefix: 'na', start: 8, metric: '' });
  assert.deepEqual(at('rate(up[5'), { kind: 'none' });
  assert.deepEqual(at('up{job="a"} '), { kind: 'none' });
});

test('matches that start with the text come first', () => {
  assert.deepEqual(rankMatches(['x_rate', 'irate', 'rate'], 'rate', (x) => x, 2), ['rate', 'x_rate']);
});

test('only http, mail and relative addresses become links', () => {
  for (const bad of ['javascript:alert(1)', ' JaVaScript:1', 'data:text/html,x', '//evil.example']) assert.equal(safeUrl(bad), null, bad);
  assert.equal(safeUrl('https://a.example/x'), 'https://a.example/x');
  assert.equal(safeUrl('d/other?a=b'), 'd/other?a=b');
});

test('paths match their patterns and decode', () => {
  assert.deepEqual(matchPath('/tasks/{uuid}', '/tasks/a%2Fb'), { uuid: 'a/b' });
  assert.deepEqual(matchPath('/tasks/{uuid}', '/tasks/%zz'), { uuid: '%zz' });
  assert.equal(matchPath('/tasks', '/tasks/x'), null);
});

test('a rule with a bound at its end shows the bound as a line', () => {
  assert.deepEqual(splitThreshold('sum(a) / sum(b) < 0.9'), { expr: 'sum(a) / sum(b)', value: 0.9 });
  assert.deepEqual(splitThreshold('up == 0'), { expr: 'up', value: 0 });
  assert.deepEqual(splitThreshold('(a or b) > 1 and b > 2'), { expr: '(a or b)', value: 1 });
  assert.equal(splitThreshold('a > 1 or b > 2'), null);
  assert.equal(splitThreshold('sum(a > 1)'), null);
});

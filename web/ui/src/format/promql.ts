/* Where the cursor is in a PromQL text, and where an error points. Pure. */

export interface Span {
  start: number;
  end: number;
}

/* "1:12: parse error…" → the place in the query. */
export function errorPosition(message: string, query: string): Span | null {
  const m = /(?:^|[^\d])(\d+):(\d+):/.exec(message) ?? /line (\d+),? column (\d+)/i.exec(message);
  if (!m) return null;
  const lines = query.split('\n');
  const line = Number(m[1]);
  if (line < 1 || line > lines.length) return null;
  const before = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
  const start = Math.min(query.length, before + Math.max(0, Number(m[2]) - 1));
  const word = /^[\w:.]+|^\S/.exec(query.slice(start));
  return { start, end: start + (word ? word[0].length : 0) };
}

export type CursorPlace =
  | { kind: 'name'; prefix: string; start: number } /* a metric, function or keyword */
  | { kind: 'label'; prefix: string; start: number; metric: string }
  | { kind: 'value'; prefix: string; start: number; metric: string; label: string }
  | { kind: 'none' };

/* The brace that is open at the end of the text, texts in quotes left out; -1: none. */
function openBrace(text: string): number {
  let quote = '';
  let open = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'" || c === '`') quote = c;
    else if (c === '{') open = i;
    else if (c === '}') open = -1;
  }
  return open;
}

function inQuotes(text: string): number {
  let quote = '';
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'" || c === '`') {
      quote = c;
      start = i;
    }
  }
  return quote ? start : -1;
}

export function cursorPlace(query: string, cursor: number): CursorPlace {
  const text = query.slice(0, cursor);
  const brace = openBrace(text);
  if (brace >= 0) {
    const metric = /([a-zA-Z_:][\w:]*)\s*$/.exec(text.slice(0, brace))?.[1] ?? '';
    const inside = text.slice(brace + 1);
    const quoteAt = inQuotes(inside);
    if (quoteAt >= 0) {
      const label = /([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*$/.exec(inside.slice(0, quoteAt))?.[1];
      return label ? { kind: 'value', prefix: inside.slice(quoteAt + 1), start: brace + 1 + quoteAt + 1, metric, label } : { kind: 'none' };
    }
    const prefix = /(?:^|,)\s*(\w*)$/.exec(inside);
    return prefix ? { kind: 'label', prefix: prefix[1], start: cursor - prefix[1].length, metric } : { kind: 'none' };
  }
  if (inQuotes(text) >= 0) return { kind: 'none' };
  const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)$/i.exec(text);
  if (grouping) {
    const prefix = /(\w*)$/.exec(grouping[1])![1];
    return { kind: 'label', prefix, start: cursor - prefix.length, metric: '' };
  }
  if (/\[[^\]]*$/.test(text)) return { kind: 'none' };
  const word = /[a-zA-Z_:][\w:.]*$/.exec(text)?.[0] ?? '';
  return word ? { kind: 'name', prefix: word, start: cursor - word.length } : { kind: 'none' };
}

/* Best first: starts with it, then a part starts with it, then contains it. */
export function rankMatches<T>(items: T[], prefix: string, nameOf: (item: T) => string, limit: number): T[] {
  const wanted = prefix.toLowerCase();
  const rank = (name: string): number => {
    const n = name.toLowerCase();
    if (n.startsWith(wanted)) return 0;
    if (n.includes(`_${wanted}`)) return 1;
    return n.includes(wanted) ? 2 : 3;
  };
  return items
    .map((item) => ({ item, rank: rank(nameOf(item)) }))
    .filter((x) => x.rank < 3)
    .sort((a, b) => a.rank - b.rank || nameOf(a.item).localeCompare(nameOf(b.item)))
    .slice(0, limit)
    .map((x) => x.item);
}

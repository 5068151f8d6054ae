/* Texts of Python's repr() as trees. Pure. What cannot be read is kept as it is written. */
export type PyNode =
  | { kind: 'scalar'; text: string; type: 'string' | 'number' | 'constant' | 'other' }
  | { kind: 'sequence'; open: string; close: string; items: PyNode[] }
  | { kind: 'dict'; entries: [PyNode, PyNode][] };

const MAX_DEPTH = 40;
const MAX_NODES = 5000;

class Unreadable extends Error {}

class Reader {
  private at = 0;
  private nodes = 0;
  constructor(private readonly source: string) {}

  whole(): PyNode {
    const node = this.value(0);
    this.space();
    if (this.at < this.source.length) throw new Unreadable();
    return node;
  }

  private space(): void {
    while (/\s/.test(this.source[this.at] ?? '')) this.at++;
  }

  private value(depth: number): PyNode {
    if (depth > MAX_DEPTH || ++this.nodes > MAX_NODES) throw new Unreadable();
    this.space();
    const c = this.source[this.at];
    if (c === undefined) throw new Unreadable();
    if (c === '{') return this.braces(depth);
    if (c === '[') return this.sequence('[', ']', depth);
    if (c === '(') return this.sequence('(', ')', depth);
    const text = /^[bru]{0,2}['"]/i.exec(this.source.slice(this.at, this.at + 3));
    if (text) return this.text(text[0].length);
    return this.other();
  }

  /* Skips over a quoted text and gives its end. */
  private quoted(start: number): number {
    const quote = this.source[start];
    let i = start + 1;
    while (i < this.source.length && this.source[i] !== quote) i += this.source[i] === '\\' ? 2 : 1;
    if (i >= this.source.length) throw new Unreadable();
    return i + 1;
  }

  private text(prefixLength: number): PyNode {
    const start = this.at;
    this.at = this.quoted(start + prefixLength - 1);
    return { kind: 'scalar', type: 'string', text: this.source.slice(start, this.at) };
  }

  /* Numbers, names, and anything like Order(id=1) or <object at 0x1>. */
  private other(): PyNode {
    const start = this.at;
    let depth = 0;
    while (this.at < this.source.length) {
      const c = this.source[this.at];
      if (c === "'" || c === '"') {
        this.at = this.quoted(this.at);
        continue;
      }
      if (depth === 0 && (c === ',' || c === ':' || c === ')' || c === ']' || c === '}')) break;
      if ('([{<'.includes(c)) depth++;
      if (')]}>'.includes(c)) depth--;
      this.at++;
    }
    const text = this.source.slice(start, this.at).trim();
    if (!text) throw new Unreadable();
    const type = /^-?[\d.][\d.e+_-]*j?$/i.test(text) ? 'number' : /^(None|True|False|nan|inf|-inf|null|true|false)$/.test(text) ? 'constant' : 'other';
    return { kind: 'scalar', type, text };
  }

  private separator(close: string): boolean {
    this.space();
    if (this.source[this.at] === ',') this.at++;
    else if (this.source[this.at] !== close) throw new Unreadable();
    this.space();
    if (this.source[this.at] !== close) return true;
    this.at++;
    return false;
  }

  private sequence(open: string, close: string, depth: number): PyNode {
    this.at++;
    const items: PyNode[] = [];
    this.space();
    if (this.source[this.at] === close) this.at++;
    else do items.push(this.value(depth + 1));
      while (this.separator(close));
    return { kind: 'sequence', open, close, items };
  }

  private braces(depth: number): PyNode {
    this.at++;
    const items: PyNode[] = [];
    const entries: [PyNode, PyNode][] = [];
    this.space();
    if (this.source[this.at] === '}') {
      this.at++;
      return { kind: 'dict', entries };
    }
    do {
      const key = this.value(depth + 1);
      this.space();
      if (this.source[this.at] === ':') {
        this.at++;
        entries.push([key, this.value(depth + 1)]);
      } else items.push(key);
    } while (this.separator('}'));
    if (items.length && entries.length) throw new Unreadable();
    return items.length ? { kind: 'sequence', open: '{', close: '}', items } : { kind: 'dict', entries };
  }
}

/* null when the text is no repr, for one because it was cut. */
export function parsePython(source: string): PyNode | null {
  try {
    return new Reader(source).whole();
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

/* Celery cuts long values and ends them with dots. */
export const looksCut = (source: string): boolean => /(\.\.\.|…)['"),\]}]*\s*$/.test(source);

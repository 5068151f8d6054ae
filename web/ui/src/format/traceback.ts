/* A Python traceback as frames, own code told from libraries. Pure. */
export interface TraceFrame {
  file: string;
  line: number;
  where: string;
  code: string;
  library: boolean;
}

export type TracePart = { kind: 'text'; text: string } | { kind: 'frame'; frame: TraceFrame };

const HEAD = /^\s*File "(.+)", line (\d+), in (.+)$/;
const LIBRARY = /(site-packages|dist-packages|\/lib\/python[\d.]*\/|<frozen|importlib)/;

export function parseTraceback(source: string): TracePart[] {
  const lines = source.replace(/\n+$/, '').split('\n');
  const parts: TracePart[] = [];
  for (let i = 0; i < lines.length; i++) {
    const head = HEAD.exec(lines[i]);
    if (!head) {
      parts.push({ kind: 'text', text: lines[i] });
      continue;
    }
    const indent = lines[i].length - lines[i].trimStart().length;
    const code: string[] = [];
    while (i + 1 < lines.length && !HEAD.test(lines[i + 1]) && lines[i + 1].length - lines[i + 1].trimStart().length > indent) code.push(lines[++i].slice(indent));
    parts.push({ kind: 'frame', frame: { file: head[1], line: Number(head[2]), where: head[3], code: code.join('\n'), library: LIBRARY.test(head[1]) } });
  }
  return parts;
}

/* Runs of library frames together, to be folded. */
export function foldLibraries(parts: TracePart[]): (TracePart | { kind: 'folded'; frames: TraceFrame[] })[] {
  const out: (TracePart | { kind: 'folded'; frames: TraceFrame[] })[] = [];
  for (const p of parts) {
    const last = out[out.length - 1];
    if (p.kind !== 'frame' || !p.frame.library) out.push(p);
    else if (last?.kind === 'folded') last.frames.push(p.frame);
    else out.push({ kind: 'folded', frames: [p.frame] });
  }
  return out;
}

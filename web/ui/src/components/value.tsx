/* A Python value: folding tree or plain text, with search in the browser's own way. */
import { useMemo, useState } from 'preact/hooks';
import { looksCut, parsePython, PyNode } from '../format/pyrepr';
import { CopyButton } from './copy';

const OPEN_DEPTH = 2;
const FIRST_ITEMS = 100;

function Scalar({ node }: { node: Extract<PyNode, { kind: 'scalar' }> }) {
  return <span class={`py-${node.type}`}>{node.text}</span>;
}

function summary(node: PyNode): string {
  if (node.kind === 'dict') return `{ ${node.entries.length} }`;
  return node.kind === 'sequence' ? `${node.open} ${node.items.length} ${node.close}` : '';
}

function Branch({ label, node, depth }: { label: PyNode | number | null; node: PyNode; depth: number }) {
  const [limit, setLimit] = useState(FIRST_ITEMS);
  const head = label === null ? null : typeof label === 'number' ? <span class="dim">{label}: </span> : <>{label.kind === 'scalar' ? <Scalar node={label} /> : summary(label)}: </>;
  if (node.kind === 'scalar') {
    return (
      <div class="tree-leaf">
        {head}
        <Scalar node={node} />
      </div>
    );
  }
  const rows: [PyNode | number, PyNode][] = node.kind === 'dict' ? node.entries : node.items.map((v, i) => [i, v]);
  if (!rows.length) {
    return (
      <div class="tree-leaf">
        {head}
        {node.kind === 'dict' ? '{}' : node.open + node.close}
      </div>
    );
  }
  return (
    <details class="tree" open={depth < OPEN_DEPTH}>
      <summary>
        {head}
        <span class="dim">{summary(node)}</span>
      </summary>
      {rows.slice(0, limit).map(([k, v], i) => (
        <Branch key={i} label={k} node={v} depth={depth + 1} />
      ))}
      {rows.length > limit && (
        <button type="button" class="button" onClick={() => setLimit(limit + 1000)}>
          {rows.length - limit} more
        </button>
      )}
    </details>
  );
}

export function PythonValue({ title, source }: { title: string; source: string | null | undefined }) {
  const [asText, setAsText] = useState(false);
  const tree = useMemo(() => (source ? parsePython(source) : null), [source]);
  const showTree = tree && tree.kind !== 'scalar' && !asText;
  return (
    <section class="block">
      <header>
        <h3>{title}</h3>
        <span class="grow" />
        {tree && tree.kind !== 'scalar' && (
          <button type="button" class="button" onClick={() => setAsText(!asText)}>
            {asText ? 'Tree' : 'Text'}
          </button>
        )}
        {source && <CopyButton text={source} label={`Copy ${title}`} />}
      </header>
      {source === null || source === undefined || source === '' ? (
        <p class="dim">Not in the events seen.</p>
      ) : showTree ? (
        <div class="mono">
          <Branch label={null} node={tree} depth={0} />
        </div>
      ) : (
        <pre class="value">{source}</pre>
      )}
      {source && looksCut(source) && <p class="note">Cut by the sender: Celery shortens reprs (argsrepr, resultrepr_maxsize, 1,024 characters unless set).</p>}
    </section>
  );
}

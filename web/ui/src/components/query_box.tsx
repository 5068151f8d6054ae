/* The PromQL box: enter runs, shift+enter breaks the line, a list completes names, labels and values. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { labelNames, labelValues, metadata, MetricMetadata } from '../api/prom';
import { getFunctions, PromFunction } from '../api/ui';
import { currentRange } from '../app/clock';
import { CursorPlace, cursorPlace, rankMatches } from '../format/promql';
import { Icon } from './icon';

interface Completion {
  text: string;
  insert: string;
  kind: string;
  help: string;
}

const LIMIT = 12;
const KEYWORDS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'offset', 'bool', 'and', 'or', 'unless', 'sum', 'avg', 'min', 'max', 'count', 'topk', 'bottomk', 'quantile', 'stddev', 'stdvar', 'group', 'count_values'];

interface Vocabulary {
  metrics: string[];
  help: Record<string, MetricMetadata[]>;
  functions: PromFunction[];
}

let vocabulary: Promise<Vocabulary> | null = null;
const KEEP_MS = 60_000;

/* Asked once, then again after a minute: new metrics appear while one types. */
function loadVocabulary(): Promise<Vocabulary> {
  if (!vocabulary) {
    const { from, to } = currentRange();
    vocabulary = Promise.allSettled([labelValues('__name__', [], from, to), metadata(), getFunctions()]).then(([m, h, f]) => ({
      metrics: m.status === 'fulfilled' ? m.value : [],
      help: h.status === 'fulfilled' ? h.value : {},
      functions: f.status === 'fulfilled' ? f.value : [],
    }));
    window.setTimeout(() => (vocabulary = null), KEEP_MS);
  }
  return vocabulary;
}

function names(v: Vocabulary, prefix: string): Completion[] {
  const all: Completion[] = [
    ...v.metrics.map((m) => ({ text: m, insert: m, kind: v.help[m]?.[0]?.type ?? 'metric', help: v.help[m]?.[0]?.help ?? '' })),
    ...v.functions.map((f) => ({ text: f.name, insert: `${f.name}(`, kind: 'function', help: `${f.signature}  ${f.help}` })),
    ...KEYWORDS.filter((k) => !v.functions.some((f) => f.name === k)).map((k) => ({ text: k, insert: k, kind: 'word', help: '' })),
  ];
  return rankMatches(all, prefix, (c) => c.text, LIMIT);
}

async function complete(place: CursorPlace): Promise<Completion[]> {
  const { from, to } = currentRange();
  if (place.kind === 'name') {
    const found = names(await loadVocabulary(), place.prefix);
    return found.length === 1 && found[0].text === place.prefix ? [] : found;
  }
  if (place.kind === 'label') {
    const labels = await labelNames(place.metric ? [place.metric] : []);
    return rankMatches(labels.filter((l) => l !== '__name__'), place.prefix, (l) => l, LIMIT).map((l) => ({ text: l, insert: l, kind: 'label', help: '' }));
  }
  if (place.kind === 'value') {
    const values = await labelValues(place.label, place.metric ? [place.metric] : [], from, to);
    return rankMatches(values, place.prefix, (v) => v, LIMIT).map((v) => ({ text: v, insert: v, kind: 'value', help: '' }));
  }
  return [];
}

export interface QueryBoxProps {
  value: string;
  onInput(text: string): void;
  onSubmit(text: string): void;
}

export function QueryBox({ value, onInput, onSubmit }: QueryBoxProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [list, setList] = useState<Completion[]>([]);
  const [at, setAt] = useState(0);
  const place = useRef<CursorPlace>({ kind: 'none' });
  const asked = useRef(0);

  useEffect(() => {
    field.current?.focus();
  }, []);
  useLayoutEffect(() => {
    const f = field.current!;
    f.style.height = 'auto';
    f.style.height = `${f.scrollHeight + 2}px`;
  }, [value]);

  const close = () => {
    asked.current++;
    setList([]);
  };
  const update = (f: HTMLTextAreaElement) => {
    const current = cursorPlace(f.value, f.selectionStart);
    place.current = current;
    const mine = ++asked.current;
    if (current.kind === 'none') return setList([]);
    complete(current).then(
      (found) => {
        if (mine !== asked.current) return;
        setList(found);
        setAt(0);
      },
      () => mine === asked.current && setList([]),
    );
  };
  const accept = (c: Completion) => {
    const f = field.current!;
    const p = place.current;
    if (p.kind === 'none') return;
    const end = f.selectionStart;
    const next = f.value.slice(0, p.start) + c.insert + f.value.slice(end);
    onInput(next);
    close();
    requestAnimationFrame(() => {
      f.focus();
      f.setSelectionRange(p.start + c.insert.length, p.start + c.insert.length);
    });
  };
  const onKey = (e: KeyboardEvent & { currentTarget: HTMLTextAreaElement }) => {
    if (list.length) {
      if (e.key === 'ArrowDown') setAt((at + 1) % list.length);
      else if (e.key === 'ArrowUp') setAt((at + list.length - 1) % list.length);
      else if (e.key === 'Tab') accept(list[at]);
      else if (e.key === 'Escape') {
        close();
        e.stopPropagation();
      } else if (e.key === 'Enter' && !e.shiftKey) {
        close();
        onSubmit(e.currentTarget.value);
      } else return;
      e.preventDefault();
    } else if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      onSubmit(e.currentTarget.value);
    } else if (e.key === ' ' && e.ctrlKey) {
      e.preventDefault();
      update(e.currentTarget);
    }
  };
  return (
    <form
      class="query-box"
      onSubmit={(e) => {
        e.preventDefault();
        onSubmit(value);
      }}
    >
      <div class="query-field">
        <textarea
          ref={field}
          class="mono"
          rows={1}
          value={value}
          spellcheck={false}
          autocomplete="off"
          placeholder="PromQL: celery_workers, rate(…[5m])   (tab completes, enter runs)"
          aria-label="PromQL query"
          aria-autocomplete="list"
          aria-controls="completions"
          onInput={(e) => {
            onInput(e.currentTarget.value);
            update(e.currentTarget);
          }}
          onKeyDown={onKey}
          onBlur={() => window.setTimeout(close, 150)}
        />
        {list.length > 0 && (
          <ul class="popover completions" id="completions" role="listbox">
            {list.map((c, i) => (
              <li key={c.text + c.kind} role="option" aria-selected={i === at} class={i === at ? 'on' : ''} onMouseDown={(e) => {
                e.preventDefault();
                accept(c);
              }}>
                <code>{c.text}</code> <span class="dim">{c.kind}</span>
                {c.help && <span class="completion-help dim">{c.help}</span>}
              </li>
            ))}
          </ul>
        )}
      </div>
      <button type="submit" class="button primary">
        <Icon name="play" size={14} /> Run
      </button>
    </form>
  );
}

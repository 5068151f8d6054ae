/* A small Markdown, drawn as elements: no HTML of a dashboard ever reaches the page as HTML. */
import { ComponentChildren } from 'preact';

/* http(s), mailto and relative addresses only. */
export function safeUrl(url: string): string | null {
  const trimmed = url.trim();
  if (/^(https?:|mailto:)/i.test(trimmed)) return trimmed;
  return /^[a-z][a-z0-9+.-]*:/i.test(trimmed) || trimmed.startsWith('//') ? null : trimmed;
}

const INLINE = /(`[^`]+`)|\*\*([^*]+)\*\*|\*([^*]+)\*|_([^_]+)_|\[([^\]]+)\]\(([^)\s]+)[^)]*\)|(https?:\/\/[^\s<>")]+)/g;

function inline(source: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let at = 0;
  for (const m of source.matchAll(INLINE)) {
    out.push(source.slice(at, m.index));
    at = m.index! + m[0].length;
    const url = safeUrl(m[6] ?? m[7] ?? '');
    if (m[1]) out.push(<code>{m[1].slice(1, -1)}</code>);
    else if (m[2]) out.push(<strong>{m[2]}</strong>);
    else if (m[3] ?? m[4]) out.push(<em>{m[3] ?? m[4]}</em>);
    else if (url) {
      out.push(
        <a href={url} rel="noreferrer" target={/^https?:/i.test(url) ? '_blank' : undefined}>
          {m[5] ?? url}
        </a>,
      );
    } else out.push(m[5] ?? m[0]);
  }
  out.push(source.slice(at));
  return out;
}

/* HTML is shown as the text in it. */
export function stripHtml(source: string): string {
  return new DOMParser().parseFromString(source.replace(/<br\s*\/?>|<\/(p|div|li|h\d|tr)>/gi, '\n'), 'text/html').body.textContent ?? '';
}

export function Markdown({ source }: { source: string }) {
  const blocks: ComponentChildren[] = [];
  let items: string[] = [];
  let code: string[] | null = null;
  const flush = () => {
    if (items.length) blocks.push(<ul>{items.map((i) => <li>{inline(i)}</li>)}</ul>);
    items = [];
  };
  for (const line of (/<[a-z][^>]*>/i.test(source) ? stripHtml(source) : source).split('\n')) {
    if (line.startsWith('```')) {
      if (code) blocks.push(<pre>{code.join('\n')}</pre>);
      code = code ? null : [];
      continue;
    }
    if (code) {
      code.push(line);
      continue;
    }
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    const item = /^\s*[-*+]\s+(.*)$/.exec(line);
    if (item) {
      items.push(item[1]);
      continue;
    }
    flush();
    if (heading) blocks.push(heading[1].length < 3 ? <h3>{inline(heading[2])}</h3> : <h4>{inline(heading[2])}</h4>);
    else if (line.trim()) blocks.push(<p>{inline(line)}</p>);
  }
  flush();
  if (code) blocks.push(<pre>{code.join('\n')}</pre>);
  return <div class="markdown">{blocks}</div>;
}

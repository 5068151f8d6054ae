/* The box around a panel: title, menu, states, and asking only when it is in sight. */
import { Component, ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { errorText } from '../api/http';
import { href, linkTo } from '../app/router';
import { Empty } from '../components/empty';
import { Icon } from '../components/icon';
import { interpolation, PanelContext, PanelData, panelRange, usePanelData } from '../dashboard/data';
import { valueFields } from '../dashboard/frames';
import { Panel } from '../dashboard/model';
import { interpolate } from '../dashboard/variables';
import { Markdown, safeUrl } from './markdown';
import { panelType, whyNot } from './registry';

const HEADER = 32;
const PADDING = 12;

function useVisible(): [RefObject<HTMLElement>, boolean, number] {
  const ref = useRef<HTMLElement>(null);
  const [visible, setVisible] = useState(false);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current!;
    const seen = new IntersectionObserver((entries) => setVisible(entries[entries.length - 1].isIntersecting), { rootMargin: '200px' });
    const sized = new ResizeObserver(() => setWidth(element.clientWidth));
    seen.observe(element);
    sized.observe(element);
    return () => {
      seen.disconnect();
      sized.disconnect();
    };
  }, []);
  return [ref, visible, width];
}

/* Three reasons for an empty panel, told apart. */
function emptyReason(data: PanelData, instant: boolean): { title: string; text: string; command?: string } | null {
  if (data.errors.length) return null;
  if (!data.queries.length) return { title: 'No query', text: 'This panel has no PromQL query to run.' };
  const fields = valueFields(data.frames);
  if (!fields.length && !data.frames.some((f) => f.length > 0)) {
    return instant
      ? { title: 'No series now', text: 'No series matches this query at this time. What it asks for:', command: data.queries[0] }
      : { title: 'No series', text: 'No series matches this query in this range. What it asks for:', command: data.queries[0] };
  }
  if (fields.length && fields.every((f) => f.values.every((v) => v === null))) {
    return { title: 'No sample in range', text: 'The series exists but has no sample in this range. Choose a later or longer one.' };
  }
  return null;
}

function PanelError({ data }: { data: PanelData }) {
  return (
    <div class="panel-error" role="alert">
      {data.errors.map((e) => (
        <div key={e.refId}>
          <strong>
            <Icon name="cross" /> Query {e.refId} failed
          </strong>
          <p>{e.text}</p>
          <code>{e.query}</code>
        </div>
      ))}
    </div>
  );
}

function PanelMenu({ panel, data }: { panel: Panel; data: PanelData }) {
  const query = data.queries[0];
  return (
    <span class="panel-menu">
      {query && (
        <a class="icon-button" href={href(linkTo(`/explore?${new URLSearchParams({ q: query })}`))} title="Explore this query" aria-label={`Explore the query of ${panel.title || 'this panel'}`}>
          <Icon name="explore" />
        </a>
      )}
    </span>
  );
}

export interface PanelFrameProps {
  panel: Panel;
  context: PanelContext | null;
  height: number;
  tick: string;
  syncKey: string | null;
}

export function PanelFrame({ panel, context, height, tick, syncKey }: PanelFrameProps) {
  const [ref, visible, width] = useVisible();
  const type = panelType(panel.type);
  const points = Math.round(panel.maxDataPoints ?? Math.max(100, Math.min(width, 1600)));
  const roundedPoints = panel.maxDataPoints ?? Math.ceil(points / 100) * 100;
  const data = usePanelData(panel, width > 0 ? roundedPoints : 0, type?.queries ? context : null, visible, tick);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => setProblem(null), [data]);
  const format = (s: string, extra?: Record<string, string>) => (context ? interpolate(s, { ...interpolation(context), extra }) : s);
  const title = format(panel.title);
  const bodyHeight = height - (title || panel.description ? HEADER : PADDING) - PADDING - 2;
  const empty = data.state === 'done' ? emptyReason(data, panel.targets.every((t) => t.instant)) : null;
  const shifted = context && (panel.timeFrom || panel.timeShift) ? `${panel.timeFrom ? `last ${panel.timeFrom.replace(/^now-/, '')}` : ''}${panel.timeShift ? ` shifted ${panel.timeShift}` : ''}` : '';
  const Body = type?.component;
  let body: ComponentChildren = null;
  if (panel.problem || problem) body = <Empty small title="This panel cannot be drawn" text={panel.problem ?? problem ?? ''} />;
  else if (!Body) body = <Empty small title="Not drawn" text={whyNot(panel.type)} />;
  else if (type!.queries && data.state === 'loading') body = <div class="skeleton" style={{ height: `${bodyHeight}px` }} aria-label="loading" />;
  else if (data.errors.length && !data.frames.length) body = <PanelError data={data} />;
  else if (type!.queries && empty && panel.defaults.noValue === undefined) body = <Empty small title={empty.title} text={empty.text} command={height > 140 ? empty.command : undefined} />;
  else if (width > 0 && context) {
    body = (
      <Guard onError={(e) => setProblem(errorText(e))} key={tick.split('|')[0]}>
        <Body panel={panel} data={data} range={type!.queries ? data.range : panelRange(panel, context.range)} width={width - 2 * PADDING} height={bodyHeight} interpolate={format} syncKey={syncKey} />
      </Guard>
    );
  }
  return (
    <section ref={ref} class={panel.transparent ? 'panel transparent' : 'panel'} style={{ height: `${height}px` }} data-panel-type={panel.type} aria-label={title || panel.type}>
      {(title || panel.description) && (
        <header>
          <h3 title={title}>{title}</h3>
          {panel.description && (
            <details class="panel-info">
              <summary aria-label="What this panel shows" title="What this panel shows">
                <Icon name="info" />
              </summary>
              <div class="popover">
                <Markdown source={format(panel.description)} />
              </div>
            </details>
          )}
          {shifted && <span class="dim">{shifted}</span>}
          {data.notes.length > 0 && (
            <span class="panel-note" title={data.notes.join('\n')} aria-label={data.notes.join('; ')}>
              <Icon name="warn" />
            </span>
          )}
          {data.errors.length > 0 && data.frames.length > 0 && (
            <span class="panel-note bad" title={data.errors.map((e) => `${e.refId}: ${e.text}`).join('\n')}>
              <Icon name="cross" />
            </span>
          )}
          <span class="grow" />
          {panel.links.map((l) => {
            const url = safeUrl(format(l.url));
            return url ? (
              <a key={l.url} class="dim" href={url} target={l.newTab ? '_blank' : undefined} rel="noreferrer">
                {format(l.title) || 'link'}
              </a>
            ) : null;
          })}
          <PanelMenu panel={panel} data={data} />
        </header>
      )}
      <div class="panel-body">{body}</div>
    </section>
  );
}

/* A panel that throws while drawing shows its error; its neighbours stay. */
class Guard extends Component<{ children: ComponentChildren; onError(e: unknown): void }> {
  componentDidCatch(error: unknown) {
    this.props.onError(error);
  }
  render() {
    return this.props.children;
  }
}

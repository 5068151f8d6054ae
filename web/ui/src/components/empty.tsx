/* Nothing to show: why, and what to do about it. */
import { ComponentChildren } from 'preact';
import { CopyButton } from './copy';

export interface EmptyProps {
  title: string;
  text: string;
  command?: string;
  small?: boolean;
  children?: ComponentChildren;
}

export function Empty({ title, text, command, small, children }: EmptyProps) {
  return (
    <div class={small ? 'empty small' : 'empty'}>
      <strong>{title}</strong>
      <p>{text}</p>
      {command && (
        <div class="command">
          <code>{command}</code>
          <CopyButton text={command} label="Copy this" />
        </div>
      )}
      {children}
    </div>
  );
}

/* The answer of the server could not be had at all. */
export function Failed({ error, what }: { error: unknown; what: string }) {
  const text = error instanceof Error ? error.message : String(error);
  return (
    <div class="empty" role="alert">
      <strong>Could not load {what}</strong>
      <p>{text}</p>
    </div>
  );
}

export function Skeleton({ rows = 6, height = 28 }: { rows?: number; height?: number }) {
  return (
    <div aria-label="loading" aria-busy="true">
      {Array.from({ length: rows }, (_x, i) => (
        <div key={i} class="skeleton row" style={{ height: `${height - 8}px` }} />
      ))}
    </div>
  );
}

/* Copies a text and says so. */
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icon';

/* Plain http pages have no navigator.clipboard: a hidden text field does it there. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    /* not allowed: try the old way */
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'offscreen';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}

export function CopyButton({ text, label = 'Copy', words = false }: { text: string; label?: string; words?: boolean }) {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = window.setTimeout(() => setState('idle'), 1500);
    return () => window.clearTimeout(timer);
  }, [state]);
  const click = async (e: MouseEvent) => {
    e.stopPropagation();
    e.preventDefault();
    setState((await copyText(text)) ? 'done' : 'failed');
  };
  return (
    <button type="button" class={words ? 'button copy' : 'icon-button copy'} onClick={click} title={label} aria-label={label}>
      <Icon name={state === 'done' ? 'check' : state === 'failed' ? 'cross' : 'copy'} />
      {words && <span>{state === 'done' ? 'Copied' : state === 'failed' ? 'Select it and press ctrl+c' : label}</span>}
    </button>
  );
}

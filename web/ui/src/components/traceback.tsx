/* A traceback: own frames open, library frames folded. */
import { useMemo, useState } from 'preact/hooks';
import { foldLibraries, parseTraceback, TraceFrame } from '../format/traceback';
import { CopyButton } from './copy';

function Frame({ frame }: { frame: TraceFrame }) {
  return (
    <div class={frame.library ? 'frame library' : 'frame'}>
      <div>
        <span class="frame-file">{frame.file}</span>:<strong>{frame.line}</strong> <span class="dim">in</span> {frame.where}
      </div>
      {frame.code && <pre>{frame.code}</pre>}
    </div>
  );
}

function Folded({ frames, open }: { frames: TraceFrame[]; open: boolean }) {
  return (
    <details class="folded" open={open}>
      <summary class="dim">
        {frames.length} library {frames.length === 1 ? 'frame' : 'frames'}: {frames[frames.length - 1].file.replace(/^.*-packages\//, '')}
      </summary>
      {frames.map((f, i) => (
        <Frame key={i} frame={f} />
      ))}
    </details>
  );
}

export function Traceback({ source }: { source: string }) {
  const parts = useMemo(() => foldLibraries(parseTraceback(source)), [source]);
  const [all, setAll] = useState(false);
  const onlyLibrary = !parts.some((p) => p.kind === 'frame');
  return (
    <section class="block">
      <header>
        <h3>Traceback</h3>
        <span class="grow" />
        {parts.some((p) => p.kind === 'folded') && (
          <button type="button" class="button" onClick={() => setAll(!all)}>
            {all ? 'Fold libraries' : 'Show all frames'}
          </button>
        )}
        <CopyButton text={source} label="Copy traceback" />
      </header>
      <div class="traceback mono">
        {parts.map((p, i) =>
          p.kind === 'folded' ? <Folded key={`${i}${all}`} frames={p.frames} open={all || onlyLibrary} /> : p.kind === 'frame' ? <Frame key={i} frame={p.frame} /> : <div key={i}>{p.text || '\u00a0'}</div>,
        )}
      </div>
    </section>
  );
}

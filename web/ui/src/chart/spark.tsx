/* A small line without axes. */
export interface SparkProps {
  points: [number, number | null][] | null | undefined;
  color?: string;
  width?: number;
  height?: number;
  area?: boolean;
  label?: string;
}

function pathOf(points: [number, number | null][], width: number, height: number): { line: string; area: string } {
  const known = points.filter((p): p is [number, number] => p[1] !== null && Number.isFinite(p[1]));
  if (known.length < 2) return { line: '', area: '' };
  const t0 = points[0][0];
  const t1 = points[points.length - 1][0];
  const low = Math.min(0, ...known.map((p) => p[1]));
  const high = Math.max(...known.map((p) => p[1]), low + 1e-12);
  const x = (t: number) => (((t - t0) / (t1 - t0 || 1)) * width).toFixed(1);
  const y = (v: number) => (height - 1.5 - ((v - low) / (high - low)) * (height - 3)).toFixed(1);
  let line = '';
  let area = '';
  let run: string[] = [];
  const flush = () => {
    if (!run.length) return;
    line += `M${run.join('L')}`;
    area += `M${run[0].split(',')[0]},${height}L${run.join('L')}L${run[run.length - 1].split(',')[0]},${height}Z`;
    run = [];
  };
  for (const [t, v] of points) {
    if (v === null || !Number.isFinite(v)) flush();
    else run.push(`${x(t)},${y(v)}`);
  }
  flush();
  return { line, area };
}

export function Spark({ points, color = 'var(--info)', width = 120, height = 28, area = true, label = 'recent course' }: SparkProps) {
  const path = pathOf(points ?? [], width, height);
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {area && <path d={path.area} fill={color} fill-opacity="0.1" />}
      <path d={path.line} fill="none" stroke={color} stroke-width="1.25" vector-effect="non-scaling-stroke" />
    </svg>
  );
}

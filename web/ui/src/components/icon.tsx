/* Line icons on a 16 × 16 grid. */
const PATHS: Record<string, string> = {
  overview: 'M2 9l6-6 6 6M4 8v5h8V8',
  tasks: 'M2 4h2M2 8h2M2 12h2M6 4h8M6 8h8M6 12h8',
  workers: 'M3 4h10v3H3zM3 9h10v3H3zM5 5.500h.1M5 10.500h.1',
  queues: 'M2 4h12M2 8h9M2 12h5',
  live: 'M1 8h3l2-5 3 10 2-5h4',
  dashboards: 'M2 2h5v5H2zM9 2h5v8H9zM2 9h5v5H2zM9 12h5v2H9z',
  explore: 'M7 12A5 5 0 1 1 7 2a5 5 0 0 1 0 10zM10.600 10.600L14 14',
  alerts: 'M8 2a4 4 0 0 0-4 4v3l-1.500 2.500h11L12 9V6a4 4 0 0 0-4-4zM6.500 13.500h3',
  targets: 'M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12zM8 10.500a2.500 2.500 0 1 1 0-5 2.500 2.500 0 0 1 0 5z',
  more: 'M3 8h.1M8 8h.1M13 8h.1',
  check: 'M3 8.500L6.500 12 13 4.500',
  cross: 'M4 4l8 8M12 4l-8 8',
  turn: 'M3 8a5 5 0 1 0 1.500-3.600M3 2v3h3',
  play: 'M5 3l8 5-8 5z',
  clock: 'M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12zM8 5v3.500l2 1.500',
  bar: 'M3.800 12.200A6 6 0 1 1 12.200 3.800 6 6 0 0 1 3.800 12.200zM4 12l8-8',
  broken: 'M6.500 9.500l-2 2a2 2 0 0 1-2.800-2.800l2-2M9.500 6.500l2-2a2 2 0 0 1 2.800 2.800l-2 2M6 2v2M2 6h2M10 14v-2M14 10h-2',
  warn: 'M8 2L1.500 13.500h13zM8 6.500v3M8 11.500v.1',
  info: 'M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12zM8 7.500V11M8 5v.1',
  question: 'M5.500 6a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .7-1 1.500M8 12v.1',
  copy: 'M5 5V2h9v9h-3M2 5h9v9H2z',
  refresh: 'M13 8a5 5 0 1 1-1.500-3.600M13 2v3h-3',
  pause: 'M5 3v10M11 3v10',
  moon: 'M13 9.500A5.500 5.500 0 1 1 6.500 3a4.500 4.500 0 0 0 6.500 6.500z',
  sun: 'M8 11a3 3 0 1 1 0-6 3 3 0 0 1 0 6zM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.400 1.400M11.600 11.600L13 13M13 3l-1.400 1.400M4.400 11.600L3 13',
  right: 'M6 3l5 5-5 5',
  down: 'M3 6l5 5 5-5',
  left: 'M10 3L5 8l5 5',
  link: 'M9 3h4v4M13 3L7 9M11 9v4H3V5h4',
  dot: 'M8 8h.1',
  eye: 'M1 8s2.500-4.500 7-4.500S15 8 15 8s-2.500 4.500-7 4.500S1 8 1 8zM8 9.800A1.800 1.800 0 1 1 8 6.200a1.800 1.800 0 0 1 0 3.600z',
  reject: 'M3 3l10 10M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12z',
};

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name] ?? PATHS.dot} />
    </svg>
  );
}

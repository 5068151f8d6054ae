/* A state is hue, icon and word together. */
import { Icon } from './icon';

const STATES: Record<string, { tone: string; icon: string }> = {
  SUCCESS: { tone: 'ok', icon: 'check' },
  FAILURE: { tone: 'bad', icon: 'cross' },
  RETRY: { tone: 'warn', icon: 'turn' },
  STARTED: { tone: 'info', icon: 'play' },
  RECEIVED: { tone: 'idle', icon: 'clock' },
  PENDING: { tone: 'idle', icon: 'clock' },
  REVOKED: { tone: 'idle', icon: 'bar' },
  REJECTED: { tone: 'warn', icon: 'reject' },
  LOST: { tone: 'bad', icon: 'broken' },
  online: { tone: 'ok', icon: 'check' },
  offline: { tone: 'bad', icon: 'broken' },
  up: { tone: 'ok', icon: 'check' },
  down: { tone: 'bad', icon: 'cross' },
  unknown: { tone: 'idle', icon: 'question' },
  firing: { tone: 'bad', icon: 'alerts' },
  pending: { tone: 'warn', icon: 'clock' },
  inactive: { tone: 'ok', icon: 'check' },
  resolved: { tone: 'ok', icon: 'check' },
  ok: { tone: 'ok', icon: 'check' },
  warn: { tone: 'warn', icon: 'warn' },
  bad: { tone: 'bad', icon: 'cross' },
  sent: { tone: 'ok', icon: 'check' },
  retrying: { tone: 'warn', icon: 'turn' },
  failed: { tone: 'bad', icon: 'cross' },
  broken: { tone: 'bad', icon: 'broken' },
  err: { tone: 'bad', icon: 'cross' },
};
export const TASK_STATES = ['SUCCESS', 'FAILURE', 'RETRY', 'STARTED', 'RECEIVED', 'PENDING', 'REVOKED', 'REJECTED'];

export const toneOf = (state: string) => STATES[state]?.tone ?? 'info';
export const iconOf = (state: string) => STATES[state]?.icon ?? 'dot';

export const workerState = (w: { online: boolean; lost?: boolean }) => (w.online ? 'online' : w.lost ? 'LOST' : 'offline');

export function State({ state, word }: { state: string | null | undefined; word?: string }) {
  const name = state ?? 'unknown';
  return (
    <span class={`state ${toneOf(name)}`}>
      <Icon name={iconOf(name)} size={14} />
      <span>{word ?? name}</span>
    </span>
  );
}

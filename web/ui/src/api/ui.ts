/* cloche's own answers (web/api/README.md). Times are seconds. */
import { Params, request } from './http';
import { Labels } from './prom';

export type Health = 'up' | 'down' | 'unknown';
export type Verdict = 'ok' | 'warn' | 'bad' | 'unknown';
export type Spark = [number, number | null][];

export interface Status {
  version: string;
  revision: string;
  start: number;
  uptime: number;
  now: number;
  store: { writable: boolean; error: string; series: number; oldest: number; newest: number; disk_bytes: number; damages: number; newest_damage: string };
  config: ConfigDocument | null;
  celery: CeleryDocument | null;
  scrape_interval: number;
  store_only: boolean;
}
export interface ConfigDocument {
  file: string | null;
  found: { what: string; how: string }[];
  missing: { what: string; hint: string }[];
  demo: boolean;
  sink_url: string | null;
  notes: string[];
}
export interface CeleryDocument {
  events_total: number;
  events_per_second: number;
  lost_events: number;
  gaps: { from: number; to: number; reason: string }[];
  undecodable: number;
  task_events_off: string[];
  sent_events_seen: boolean;
}

export interface Overview {
  verdicts: {
    id: string;
    state: Verdict;
    value: number | null;
    target: number | null;
    unit: string;
    text: string;
    spark: Spark | null;
    link: string;
  }[];
  alerts: OverviewAlert[] | null;
  failures: { name: string; exception_class: string; exception: string; uuid: string; worker: string; count: number; first: number; last: number }[];
  queues: {
    name: string;
    length: number;
    unacked: number | null;
    in_rate: number | null;
    out_rate: number | null;
    empty_in: number | null;
    spark: Spark | null;
  }[];
  services: { kind: string; name: string; health: Health; error: string; numbers: { label: string; value: number | null; unit: string }[]; spark: Spark | null }[];
}
export interface OverviewAlert {
  labels: Labels;
  annotations?: Labels;
  state: string;
  activeAt?: string;
  value?: string | number;
  summary?: string;
}

export interface TaskAttempt {
  received: number | null;
  started: number | null;
  ended: number | null;
  state: string;
  worker: string | null;
  exception: string | null;
}
export interface Task {
  id: number; /* order of first sight */
  first_seen: number | null;
  attempts_dropped: number;
  uuid: string;
  name: string | null;
  state: string;
  worker: string | null;
  queue: string | null;
  client: string | null;
  exchange: string | null;
  routing_key: string | null;
  broker: string | null;
  sent: number | null;
  received: number | null;
  started: number | null;
  succeeded: number | null;
  failed: number | null;
  retried: number | null;
  revoked: number | null;
  rejected: number | null;
  timestamp: number | null;
  runtime: number | null;
  retries: number | null;
  eta: string | null;
  expires: string | null;
  exception: string | null;
  exception_class: string | null;
  parent_id: string | null;
  root_id: string | null;
  attempts: TaskAttempt[] | null;
}
export interface TaskRef {
  uuid: string;
  name: string | null;
  state: string | null;
}
export interface FullTask extends Task {
  args: string | null;
  kwargs: string | null;
  result: string | null;
  traceback: string | null;
  parent_task: TaskRef | null;
  root_task: TaskRef | null;
  children: (TaskRef & { started: number | null; runtime: number | null; worker: string | null })[] | null;
}
export interface TaskPage {
  tasks: Task[];
  next: string | null;
  total: number;
  truncated: boolean;
}
export interface Facets {
  names: string[];
  workers: string[];
  queues: string[];
}

export interface Worker {
  hostname: string;
  worker: string;
  online: boolean;
  lost?: boolean; /* gone without saying good-bye */
  expected?: boolean;
  pid: number | null;
  active: number | null;
  processed: number | null;
  loadavg: number[] | null;
  freq: number | null;
  sw_ver: string | null;
  sw_sys: string | null;
  first_seen: number | null;
  last_seen: number | null;
  queues: string[] | null;
  concurrency: number | null;
  pool: string | null;
  task_events: boolean | null;
  prefetch: number | null;
  broker: string | null;
  succeeded: number | null;
  failed: number | null;
  retried: number | null;
}
export interface Queue {
  name: string;
  length: number;
  by_priority: Record<string, number> | null;
  unacked: number | null;
  consumers: number | null;
  broker: string;
  sources: string[];
  in_rate: number | null;
  out_rate: number | null;
}
export interface Target {
  labels: Labels;
  discoveredLabels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: Health;
  scrapeInterval: string;
  scrapeTimeout: string;
  collector: string;
  name: string;
  lastSuccess: string;
  samples: number;
  hint: string | null;
}
export interface Notification {
  t: number;
  receiver: string;
  kind: string;
  status: 'firing' | 'resolved';
  alerts: (Labels & { labels?: Labels })[];
  state: 'sent' | 'retrying' | 'failed';
  attempts: number;
  next: number | null;
  error: string | null;
}
export interface Receiver {
  name: string;
  kind: string;
  health: 'ok' | 'retrying' | 'broken' | 'unknown';
  queued: number;
  last_success: number | null;
  last_error: string | null;
}
export interface Document<T> {
  version: number;
  published: number;
  data: T | null;
}
export interface DashboardEntry {
  uid: string;
  title: string;
  tags: string[];
  source: string;
  error?: string;
}
export interface PromFunction {
  name: string;
  signature: string;
  help: string;
}

const get =
  <T>(path: string) =>
  (signal?: AbortSignal) =>
    request<T>(`/api/ui/${path}`, { signal });

export const getStatus = get<Status>('status');
export const getOverview = get<Overview>('overview');
export const getFacets = get<Facets>('tasks/facets');
export const getWorkers = get<Document<Worker[]>>('workers');
export const getQueues = get<Document<Queue[]>>('queues');
export const getTargets = get<Document<{ activeTargets: Target[] | null }>>('targets');
export const getNotifications = get<Document<Notification[]>>('notifications');
export const getReceivers = get<Document<Receiver[]>>('receivers');
export const getCelery = get<Document<CeleryDocument>>('celery');
export const getDashboards = get<DashboardEntry[]>('dashboards');
export const getFunctions = get<PromFunction[]>('functions');
export const getDashboard = (uid: string, signal?: AbortSignal) => request<unknown>(`/api/ui/dashboards/${encodeURIComponent(uid)}`, { signal });
export const getTask = (uuid: string, signal?: AbortSignal) => request<FullTask>(`/api/ui/tasks/${encodeURIComponent(uuid)}`, { signal });
export const findTasks = (params: Params, signal?: AbortSignal) => request<TaskPage>('/api/ui/tasks', { params, signal });

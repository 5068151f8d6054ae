/* One way to ask the server: JSON, limits on parallel requests, and whether it can be reached at all. */
import { BASE_URL } from '../app/base';
import { createStore } from '../app/store';

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly type = '',
  ) {
    super(message);
  }
}

/* null: reachable; otherwise when it was lost (seconds) and why. */
export const lostConnection = createStore<{ since: number; reason: string } | null>(null);

const MAX_PARALLEL = 4; /* browsers open six connections to a host; a live stream holds one */
let running = 0;
const waiting: (() => void)[] = [];

async function slot(): Promise<void> {
  if (running >= MAX_PARALLEL) await new Promise<void>((start) => waiting.push(start));
  running++;
}

function release(): void {
  running--;
  waiting.shift()?.();
}

export const apiUrl = (path: string) => new URL(path.replace(/^\//, ''), BASE_URL).toString();

export type Params = Record<string, string | number | undefined | null | string[]>;

export function encodeParams(params: Params): URLSearchParams {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (Array.isArray(value)) value.forEach((v) => out.append(key, v));
    else if (value !== undefined && value !== null && value !== '') out.set(key, String(value));
  }
  return out;
}

export interface RequestOptions {
  params?: Params;
  post?: boolean; /* parameters go as a form body: long queries */
  signal?: AbortSignal;
}

async function readError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { error?: string; errorType?: string };
    return new ApiError(body.error || `the server answered ${response.status}`, response.status, body.errorType ?? '');
  } catch {
    return new ApiError(text.slice(0, 300) || `the server answered ${response.status}`, response.status);
  }
}

const isGatewayError = (status: number) => status === 502 || status === 503 || status === 504;

export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const { params = {}, post = false, signal } = options;
  await slot();
  try {
    signal?.throwIfAborted();
    const query = encodeParams(params);
    const url = apiUrl(path) + (post || !query.toString() ? '' : `?${query}`);
    const response = await fetch(url, { method: post ? 'POST' : 'GET', body: post ? query : undefined, signal, headers: { Accept: 'application/json' } });
    if (isGatewayError(response.status) && !response.headers.get('content-type')?.includes('json')) {
      throw new TypeError(`the proxy answered ${response.status}`);
    }
    lostConnection.set(null);
    if (!response.ok) throw await readError(response);
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof TypeError && !signal?.aborted) {
      if (!lostConnection.get()) lostConnection.set({ since: Date.now() / 1000, reason: error.message });
      throw new ApiError('cannot reach cloche', 0, 'unreachable');
    }
    throw error;
  } finally {
    release();
  }
}

export const isAbort = (error: unknown) => error instanceof DOMException && error.name === 'AbortError';
export const errorText = (error: unknown) => (error instanceof Error ? error.message : String(error));

/* How far apart the points of a query are. Pure. */
import { parseDuration, TimeRange } from '../app/timerange';
import { Target } from './model';
import { niceStep } from './variables';

export interface Steps {
  interval: number; /* $__interval, before intervalFactor */
  step: number; /* of the query */
  rateInterval: number; /* $__rate_interval */
}

const MAX_POINTS = 11000; /* what query_range allows */

export function stepsOf(target: Pick<Target, 'interval' | 'intervalFactor'>, panelInterval: string, points: number, range: TimeRange, scrapeInterval: number): Steps {
  const wish = (target.interval || panelInterval).replace(/^>=?\s*/, '');
  const min = parseDuration(wish);
  const span = Math.max(1, range.to - range.from);
  const nice = niceStep(span / Math.max(1, points));
  const interval = Math.max(min ?? scrapeInterval, nice, niceStep(span / MAX_POINTS));
  const scrape = min ?? scrapeInterval;
  const step = interval * Math.max(1, target.intervalFactor);
  return { interval, step, rateInterval: Math.max(step + scrape, 4 * scrape) };
}

/* Starts and ends on multiples of the step, so that points do not wander as the range moves. */
export function alignRange(range: TimeRange, step: number): TimeRange {
  const from = Math.floor(range.from / step) * step;
  const to = Math.floor(range.to / step) * step;
  return { from, to: Math.max(to, from + step) };
}

/* What a line chart draws, apart from any drawing library. */
export type DrawStyle = 'line' | 'bars' | 'points';
export type Interpolation = 'linear' | 'smooth' | 'stepBefore' | 'stepAfter';

export interface ChartSeries {
  name: string;
  color: string;
  /* One per time; null: a gap; undefined: this series has no step there. */
  values: (number | null | undefined)[];
  unit?: string;
  decimals?: number | null;
  style?: DrawStyle;
  interpolation?: Interpolation;
  width?: number;
  fill?: number; /* opacity 0..1 */
  dash?: number[];
  points?: boolean;
  spanNulls?: boolean;
  stack?: string | null; /* group; null: not stacked */
  percent?: boolean;
  negative?: boolean; /* drawn below zero, shown as it is */
  axis?: 'left' | 'right';
  min?: number | null;
  max?: number | null;
  softMin?: number | null;
  softMax?: number | null;
  log?: number | null; /* base */
  axisLabel?: string;
  axisHidden?: boolean;
  inLegend?: boolean;
  inTooltip?: boolean;
  drawn?: boolean;
}

export interface ChartThreshold {
  value: number;
  color: string;
  style: 'line' | 'dashed' | 'area' | 'line+area';
  label?: string;
}

export interface ChartData {
  times: number[]; /* seconds, ascending */
  series: ChartSeries[];
}

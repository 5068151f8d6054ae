/* What every panel type gets. */
import { TimeRange } from '../app/timerange';
import { PanelData } from '../dashboard/data';
import { Panel } from '../dashboard/model';

export interface PanelProps {
  panel: Panel;
  data: PanelData;
  range: TimeRange;
  width: number;
  height: number; /* of the body */
  interpolate(text: string, extra?: Record<string, string>): string;
  syncKey: string | null;
}

/* A task name or queue with its hue, the same on every page. */
import { hashHue, seriesColor } from '../chart/palette';
import { useTheme } from '../app/theme';

export function Hue({ name }: { name: string }) {
  const theme = useTheme();
  return <span class="hue" style={{ background: seriesColor(hashHue(name), theme) }} aria-hidden="true" />;
}

/* stat: one tile per value. */
import { useTheme } from '../app/theme';
import { textOn, withAlpha } from '../chart/palette';
import { Spark } from '../chart/spark';
import { text } from '../dashboard/read';
import { ReducedValue, reduceFrames } from './calc';
import { PanelProps } from './types';

function fontSize(shown: string, width: number, height: number): number {
  const byWidth = width / Math.max(3, shown.length * 0.62);
  return Math.max(14, Math.min(44, height * 0.5, byWidth));
}

interface TileProps {
  value: ReducedValue;
  width: number;
  height: number;
  colorMode: string;
  graph: boolean;
  showName: boolean;
  showValue: boolean;
}

function Tile({ value, width, height, colorMode, graph, showName, showValue }: TileProps) {
  const background = colorMode.startsWith('background');
  const { shown, color, name } = value;
  const style: Record<string, string> = {};
  if (background) Object.assign(style, { background: color, color: textOn(color) });
  else if (colorMode === 'value') style.color = color;
  const size = fontSize(shown.text, width - 24, height);
  const points = graph && value.spark.length > 1;
  return (
    <div class={background ? 'stat-tile filled' : 'stat-tile'} style={background ? style : undefined} title={`${name}: ${shown.text}`}>
      {showName && <div class="stat-name">{name}</div>}
      {showValue && (
        <div class="stat-value" style={{ fontSize: `${size}px`, ...(background ? {} : style) }}>
          {shown.prefix && <span class="stat-unit">{shown.prefix}</span>}
          {shown.number}
          {shown.suffix && <span class="stat-unit">{shown.suffix}</span>}
        </div>
      )}
      {points && (
        <div class="stat-spark">
          <Spark points={value.spark} color={background ? withAlpha('#ffffff', 0.8) : color} width={200} height={32} />
        </div>
      )}
    </div>
  );
}

export function StatPanel({ panel, data, width, height }: PanelProps) {
  const theme = useTheme();
  const values = reduceFrames(data.frames, panel.options, theme);
  const mode = text(panel.options.textMode, 'auto');
  const sideBySide = text(panel.options.orientation, 'auto') === 'auto' ? width > height : panel.options.orientation === 'vertical';
  const count = Math.max(1, values.length);
  const tileWidth = sideBySide ? Math.max(90, width / count) : width;
  const tileHeight = sideBySide ? height : height / count;
  const showName = mode === 'value_and_name' || mode === 'name' || (mode === 'auto' && values.length > 1);
  return (
    <div class={sideBySide ? 'stat side' : 'stat'} style={{ height: `${height}px` }}>
      {values.map((v, i) => (
        <Tile
          key={v.name + i}
          value={v}
          width={tileWidth}
          height={tileHeight - (showName ? 18 : 0)}
          colorMode={text(panel.options.colorMode, 'value')}
          graph={text(panel.options.graphMode, 'area') === 'area' && tileHeight > 60}
          showName={showName}
          showValue={mode !== 'name' && mode !== 'none'}
        />
      ))}
    </div>
  );
}

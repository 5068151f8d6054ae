/* /dashboards: what can be opened. */
import { usePoll } from '../api/poll';
import { getDashboards } from '../api/ui';
import { href, linkTo } from '../app/router';
import { Empty, Failed, Skeleton } from '../components/empty';
import { State } from '../components/state';

export function DashboardsPage() {
  const { data, error } = usePoll(getDashboards, []);
  if (!data) return error ? <Failed error={error} what="the dashboards" /> : <Skeleton />;
  if (!data.length) return <Empty title="No dashboard" text="Put Grafana dashboard JSON into the folder named by dashboards.dir in the configuration; it is read at once." />;
  return (
    <>
      <ul class="cards">
        {data.map((d) => (
          <li key={d.uid}>
            <a class="card" href={href(linkTo(`/dashboards/${encodeURIComponent(d.uid)}`))}>
              <strong>{d.title}</strong>
              <span class="dim">{d.source}</span>
              {d.error && <State state="bad" word={d.error} />}
              <span class="tags">
                {(d.tags ?? []).map((t) => (
                  <span key={t} class="tag">
                    {t}
                  </span>
                ))}
              </span>
            </a>
          </li>
        ))}
      </ul>
      <p class="note">Any Grafana dashboard of the classic JSON format can be dropped into the dashboards folder of the configuration.</p>
    </>
  );
}

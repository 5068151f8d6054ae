/* /dashboards/{uid}: one dashboard. */
import { useMemo } from 'preact/hooks';
import { usePoll } from '../api/poll';
import { getDashboard } from '../api/ui';
import { href, linkTo } from '../app/router';
import { Empty, Failed, Skeleton } from '../components/empty';
import { readDashboard } from '../dashboard/migrate';
import { DashboardView } from '../dashboard/view';

export function DashboardPage({ uid }: { uid: string }) {
  const { data, error } = usePoll((signal) => getDashboard(uid, signal), [uid], false);
  const read = useMemo(() => {
    if (!data) return null;
    try {
      return { dashboard: readDashboard(data), error: '' };
    } catch (e) {
      return { dashboard: null, error: e instanceof Error ? e.message : String(e) };
    }
  }, [data]);
  if (!read) return error ? <Failed error={error} what={`the dashboard "${uid}"`} /> : <Skeleton rows={8} height={64} />;
  if (!read.dashboard) return <Empty title="This dashboard cannot be shown" text={read.error} />;
  return (
    <>
      <h2 class="page-title">
        <a href={href(linkTo('/dashboards'))} class="dim">
          Dashboards
        </a>{' '}
        / {read.dashboard.title}
      </h2>
      <DashboardView dashboard={read.dashboard} key={uid} />
    </>
  );
}

/* The page starts here: router, clock, theme, then whichever page the path names. */
import { render } from 'preact';
import { startClock } from './app/clock';
import { href, linkTo, matchPath, startRouter, useLocation } from './app/router';
import { Shell } from './app/shell';
import { startTheme } from './app/theme';
import { Empty } from './components/empty';
import { AlertsPage } from './pages/alerts';
import { DashboardPage } from './pages/dashboard';
import { DashboardsPage } from './pages/dashboards';
import { ExplorePage } from './pages/explore';
import { LivePage } from './pages/live';
import { OverviewPage } from './pages/overview';
import { QueuesPage } from './pages/queues';
import { TargetsPage } from './pages/targets';
import { TaskPage } from './pages/task';
import { TasksPage } from './pages/tasks';
import { WorkerPage } from './pages/worker';
import { WorkersPage } from './pages/workers';

type Route = [pattern: string, page: (params: Record<string, string>) => preact.JSX.Element];

const ROUTES: Route[] = [
  ['/', () => <OverviewPage />],
  ['/tasks', () => <TasksPage />],
  ['/tasks/{uuid}', ({ uuid }) => <TaskPage uuid={uuid} />],
  ['/workers', () => <WorkersPage />],
  ['/workers/{name}', ({ name }) => <WorkerPage name={name} />],
  ['/queues', () => <QueuesPage />],
  ['/queues/{name}', ({ name }) => <QueuesPage name={name} />],
  ['/live', () => <LivePage />],
  ['/alerts', () => <AlertsPage />],
  ['/alerts/{id}', ({ id }) => <AlertsPage id={id} />],
  ['/explore', () => <ExplorePage />],
  ['/targets', () => <TargetsPage />],
  ['/dashboards', () => <DashboardsPage />],
  ['/dashboards/{uid}', ({ uid }) => <DashboardPage uid={uid} />],
];

function NotFound({ path }: { path: string }) {
  return (
    <Empty title="No such page" text={`Nothing is at ${path}.`}>
      <a href={href(linkTo('/'))}>To the overview</a>
    </Empty>
  );
}

function Page() {
  const { path } = useLocation();
  for (const [pattern, page] of ROUTES) {
    const params = matchPath(pattern, path);
    if (params) return page(params);
  }
  return <NotFound path={path} />;
}

startRouter();
startTheme();
startClock();
render(
  <Shell>
    <Page />
  </Shell>,
  document.getElementById('app')!,
);

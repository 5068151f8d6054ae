/* The pages: path, word, icon, letter after `g`. The rail, the keys and the search read this one list. */
export interface PageEntry {
  id: string;
  path: string;
  title: string;
  icon: string;
  letter: string;
  primary: boolean; /* in the bottom bar of a narrow screen */
}

export const PAGES: PageEntry[] = [
  { id: 'overview', path: '/', title: 'Overview', icon: 'overview', letter: 'o', primary: true },
  { id: 'tasks', path: '/tasks', title: 'Tasks', icon: 'tasks', letter: 't', primary: true },
  { id: 'workers', path: '/workers', title: 'Workers', icon: 'workers', letter: 'w', primary: false },
  { id: 'queues', path: '/queues', title: 'Queues', icon: 'queues', letter: 'q', primary: false },
  { id: 'live', path: '/live', title: 'Live', icon: 'live', letter: 'l', primary: false },
  { id: 'dashboards', path: '/dashboards', title: 'Dashboards', icon: 'dashboards', letter: 'd', primary: true },
  { id: 'explore', path: '/explore', title: 'Explore', icon: 'explore', letter: 'e', primary: false },
  { id: 'alerts', path: '/alerts', title: 'Alerts', icon: 'alerts', letter: 'a', primary: true },
  { id: 'targets', path: '/targets', title: 'Targets', icon: 'targets', letter: 'r', primary: false },
];

export const pageAt = (path: string) => PAGES.find((p) => (p.path === '/' ? path === '/' : path === p.path || path.startsWith(`${p.path}/`))) ?? null;

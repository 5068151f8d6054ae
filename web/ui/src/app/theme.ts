/* Dark, light or the system's; charts redraw when it changes. */
import { createSetting, createStore, useStore } from './store';

export type ThemeChoice = 'system' | 'dark' | 'light';
export const themeChoice = createSetting<ThemeChoice>('theme', 'system');

const media = typeof window === 'undefined' ? null : window.matchMedia('(prefers-color-scheme: light)');
const effective = (): 'dark' | 'light' => {
  const choice = themeChoice.get();
  return choice === 'system' ? (media?.matches ? 'light' : 'dark') : choice;
};
export const theme = createStore<'dark' | 'light'>(effective());
export const useTheme = () => useStore(theme);

export function startTheme(): void {
  const apply = () => {
    const choice = themeChoice.get();
    if (choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    theme.set(effective());
  };
  themeChoice.subscribe(apply);
  media?.addEventListener('change', apply);
  apply();
}

export function toggleTheme(): void {
  themeChoice.set(theme.get() === 'dark' ? 'light' : 'dark');
}

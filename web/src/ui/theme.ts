// Light or dark: the phone's own setting, unless the person chose one here.

export type ThemeChoice = 'auto' | 'light' | 'dark';
const KEY = 'hitaji.theme';
const dark = window.matchMedia('(prefers-color-scheme: dark)');

export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

export function chooseTheme(choice: ThemeChoice): void {
  localStorage.setItem(KEY, choice);
  apply();
}

export function startTheme(): void {
  dark.addEventListener('change', apply);
  apply();
}

function apply(): void {
  const choice = themeChoice();
  const theme = choice === 'auto' ? (dark.matches ? 'dark' : 'light') : choice;
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', theme === 'dark' ? '#0b2a23' : '#12483d');
}

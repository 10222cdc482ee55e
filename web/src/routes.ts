// The one list of screens; each is loaded when it is first opened.
import type { Component } from 'svelte';
import { matchPath } from './lib/router.svelte';

type Screen = { default: Component<Record<string, string>> };
interface Route { pattern: string; load: () => Promise<Screen> }

// Each screen declares its own parameters; a pattern and its screen's properties are kept side by side here.
const screen = (load: () => Promise<{ default: unknown }>): (() => Promise<Screen>) => load as () => Promise<Screen>;

export const routes: Route[] = [
  { pattern: '/', load: screen(() => import('./screens/Home.svelte')) },
  { pattern: '/dashboard', load: screen(() => import('./dashboard/Dashboard.svelte')) },
  { pattern: '/registers', load: screen(() => import('./register/Registers.svelte')) },
  { pattern: '/registers/:stream', load: screen(() => import('./register/Register.svelte')) },
  { pattern: '/records', load: screen(() => import('./resources/Resources.svelte')) },
  { pattern: '/records/:resource', load: screen(() => import('./resources/ResourceList.svelte')) },
  { pattern: '/records/:resource/:id', load: screen(() => import('./resources/ResourceForm.svelte')) },
  { pattern: '/import', load: screen(() => import('./screens/ImportStart.svelte')) },
  { pattern: '/import/:id', load: screen(() => import('./screens/ImportPreview.svelte')) },
  { pattern: '/people', load: screen(() => import('./screens/People.svelte')) },
  { pattern: '/people/roles', load: screen(() => import('./screens/Roles.svelte')) },
  { pattern: '/settings', load: screen(() => import('./screens/Settings.svelte')) },
  { pattern: '/settings/usage', load: screen(() => import('./screens/Usage.svelte')) },
  { pattern: '/settings/sign-ins', load: screen(() => import('./screens/SignInHistory.svelte')) },
  { pattern: '/queue', load: screen(() => import('./screens/Queue.svelte')) },
];

export function findRoute(path: string): { route: Route; parameters: Record<string, string> } | null {
  for (const route of routes) {
    const parameters = matchPath(route.pattern, path);
    if (parameters) return { route, parameters };
  }
  return null;
}

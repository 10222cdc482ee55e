// A small router over the history API: the current address, links, and patterns such as /registers/:stream.

class Router {
  path = $state('/');
  search = $state('');

  start(): void {
    window.addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#followLink(event));
    this.#read();
  }

  go(to: string, how: 'push' | 'replace' = 'push'): void {
    if (how === 'push') history.pushState(null, '', to);
    else history.replaceState(null, '', to);
    const before = this.path;
    this.#read();
    if (this.path !== before) window.scrollTo(0, 0);
  }

  parameter(name: string): string | null {
    return new URLSearchParams(this.search).get(name);
  }

  /** Changes one query parameter in place, for filters that should survive a reload. */
  setParameter(name: string, value: string | null): void {
    const search = new URLSearchParams(this.search);
    if (value === null || value === '') search.delete(name);
    else search.set(name, value);
    const text = search.toString();
    this.go(this.path + (text ? `?${text}` : ''), 'replace');
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }

  #followLink(event: MouseEvent): void {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const link = (event.target as Element | null)?.closest('a');
    if (!plain || event.defaultPrevented || !link || link.target || link.hasAttribute('download')) return;
    if (link.origin !== location.origin || link.hasAttribute('data-external')) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

/** The values of `:name` parts when the path has this shape, else null. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const expected = pattern.split('/').filter(Boolean);
  const actual = path.split('/').filter(Boolean);
  if (expected.length !== actual.length) return null;
  const values: Record<string, string> = {};
  for (const [index, part] of expected.entries()) {
    if (part.startsWith(':')) values[part.slice(1)] = decodeURIComponent(actual[index]!);
    else if (part !== actual[index]) return null;
  }
  return values;
}

export const router = new Router();

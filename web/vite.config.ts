// Builds the browser application and its service worker into dist/, with a list of files to keep for offline use.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Builds src/sw.ts after everything else, with the built files' names and one version made of their contents. */
function serviceWorker(): Plugin {
  return {
    name: 'hitaji-service-worker',
    apply: 'build',
    async closeBundle() {
      const files = readdirSync('dist', { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !['sw.js', 'silent-callback.html'].includes(entry.name))
        .map((entry) => relative('dist', join(entry.parentPath, entry.name)))
        .sort();
      const digest = createHash('sha256');
      for (const file of files) digest.update(file).update(readFileSync(join('dist', file)));
      await build({
        configFile: false,
        publicDir: false,
        logLevel: 'warn',
        define: {
          __PRECACHE__: JSON.stringify(files.map((file) => `/${file}`)),
          __VERSION__: JSON.stringify(digest.digest('hex').slice(0, 12)),
        },
        build: {
          emptyOutDir: false,
          target: 'es2020',
          lib: { entry: 'src/sw.ts', formats: ['es'], fileName: () => 'sw.js' },
        },
      });
    },
  };
}

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  build: {
    target: ['es2020', 'chrome87', 'firefox90', 'safari14'],
    // Data URLs would be refused by the content security policy for everything but images.
    assetsInlineLimit: 0,
    rollupOptions: { input: { index: 'index.html', 'silent-callback': 'silent-callback.html' } },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});

// Fails when the script that a first visit loads is larger than 150 KB compressed.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT_BYTES = 150 * 1024;
const size = (file) => gzipSync(readFileSync(join('dist', file)), { level: 9 }).length;

if (!existsSync('dist/index.html')) throw new Error('Nothing built yet: run npm run build first.');
const html = readFileSync('dist/index.html', 'utf8');
const first = new Set();
const queue = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]);
// The home screen is loaded right after the start, so it counts as first load.
queue.push(...readdirSync('dist/assets').filter((file) => /^Home-.*\.js$/.test(file)).map((file) => `assets/${file}`));
while (queue.length) {
  const file = queue.pop();
  if (first.has(file)) continue;
  first.add(file);
  // Static imports are loaded at once; import() only when a screen is opened.
  const code = readFileSync(join('dist', file), 'utf8');
  for (const match of code.matchAll(/(?:^|[;\n}])\s*(?:import|export)\s*(?:[\w*{][^;'"()]*?from\s*)?["']\.\/([\w.-]+\.js)["']/g)) queue.push(`assets/${match[1]}`);
}

const total = [...first].reduce((sum, file) => sum + size(file), 0);
const everything = readdirSync('dist/assets').filter((file) => file.endsWith('.js')).reduce((sum, file) => sum + size(`assets/${file}`), 0);
for (const file of first) console.log(`${(size(file) / 1024).toFixed(1).padStart(7)} KB  ${file}`);
console.log(`${(total / 1024).toFixed(1).padStart(7)} KB  first load (limit ${LIMIT_BYTES / 1024} KB); all screens together ${(everything / 1024).toFixed(1)} KB`);
if (total > LIMIT_BYTES) process.exit(1);

// Builds the pages into OUT_DIR (default dist): index.html and hashed files under assets/.
// `--tests` bundles test/*.test.ts for node's test runner, `--watch` rebuilds on change.
import { build, context } from 'esbuild';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.env.OUT_DIR || join(here, 'dist'));
const FIRST_LOAD_LIMIT = 120 * 1024;

async function buildTests() {
  const dir = join(here, 'dist', '.test');
  await rm(dir, { recursive: true, force: true });
  const files = (await readdir(join(here, 'test'))).filter((f) => f.endsWith('.test.ts'));
  await build({
    entryPoints: files.map((f) => join(here, 'test', f)),
    outdir: dir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    logLevel: 'warning',
  });
}

const options = {
  absWorkingDir: here,
  entryPoints: { main: 'src/main.tsx', theme: 'src/theme-boot.ts', style: 'src/style/main.css', icon: 'src/icon.svg' },
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  loader: { '.svg': 'copy' },
  bundle: true,
  format: 'esm',
  splitting: true,
  minify: true,
  sourcemap: false,
  target: ['es2021'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  metafile: true,
  logLevel: 'warning',
};

async function writePage(metafile) {
  const found = {};
  for (const [file, info] of Object.entries(metafile.outputs)) {
    if (info.entryPoint) found[info.entryPoint] = relative(out, resolve(here, file));
    else if (/icon-[^/]*\.svg$/.test(file)) found['src/icon.svg'] = relative(out, resolve(here, file));
  }
  const places = { THEME: 'src/theme-boot.ts', CSS: 'src/style/main.css', MAIN: 'src/main.tsx', ICON: 'src/icon.svg' };
  let html = await readFile(join(here, 'index.html'), 'utf8');
  for (const [mark, entry] of Object.entries(places)) html = html.replace(`%${mark}%`, found[entry]);
  await writeFile(join(out, 'index.html'), html);
  return found;
}

// What a first visit loads: the page, its two scripts with their static imports, and the style sheet.
async function firstLoadBytes(metafile, found) {
  const outputs = Object.fromEntries(Object.entries(metafile.outputs).map(([f, i]) => [relative(out, resolve(here, f)), i]));
  const need = new Set();
  const visit = (file) => {
    if (need.has(file) || !outputs[file]) return;
    need.add(file);
    for (const i of outputs[file].imports) if (i.kind === 'import-statement') visit(relative(out, resolve(here, i.path)));
  };
  Object.values(found).forEach(visit);
  let total = gzipSync(await readFile(join(out, 'index.html'))).length;
  for (const f of need) total += gzipSync(await readFile(join(out, f)), { level: 9 }).length;
  return total;
}

async function buildPages() {
  await rm(join(out, 'assets'), { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const { metafile } = await build(options);
  const found = await writePage(metafile);
  const bytes = await firstLoadBytes(metafile, found);
  console.log(`pages in ${out}: first load ${(bytes / 1024).toFixed(1)} kB gzip of ${FIRST_LOAD_LIMIT / 1024}`);
  if (bytes > FIRST_LOAD_LIMIT) throw new Error('the first load is too heavy: load pages on demand with import()');
}

if (process.argv.includes('--tests')) await buildTests();
else if (process.argv.includes('--watch')) {
  const again = { name: 'page', setup: (b) => b.onEnd((r) => (r.metafile ? writePage(r.metafile) : undefined)) };
  await mkdir(out, { recursive: true });
  await (await context({ ...options, minify: false, sourcemap: 'inline', plugins: [again] })).watch();
} else await buildPages();

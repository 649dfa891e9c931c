// Compiles a package with the official Sui compiler (WebAssembly) and writes its modules.
//
//   node compile.mjs PACKAGE_DIR OUT_DIR [VECTOR_SOURCE]
//
// The package's own address comes out as 0x0. The compiler has no standard library at hand: VECTOR_SOURCE is a
// std::vector of natives that becomes part of the package.
import { readdirSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [packageDir, outDir, vectorSource] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), 'noema.cjs'));
const { initMovePackageBuilder, dumpMovePackage } = await import(
    pathToFileURL(require.resolve('@zktx.io/sui-move-builder')).href
);

const files = { 'Move.toml': readFileSync(join(packageDir, 'Move.toml'), 'utf8') };
for (const name of readdirSync(join(packageDir, 'sources')).sort()) {
    files[`sources/${name}`] = readFileSync(join(packageDir, 'sources', name), 'utf8');
}
if (vectorSource) files['sources/vector.move'] = readFileSync(vectorSource, 'utf8');

await initMovePackageBuilder();
const result = await dumpMovePackage({ files });
if ('error' in result) {
    console.error(`${result.category}: ${result.error}`);
    process.exit(1);
}
mkdirSync(outDir, { recursive: true });
result.modules.forEach((module, index) => writeFileSync(join(outDir, `${index}.mv`), Buffer.from(module, 'base64')));
console.log(result.modules.length);

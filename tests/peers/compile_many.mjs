// Compiles packages with the official Sui compiler (WebAssembly): one JSON question a line, one JSON answer a line.
//
//   {"files": {"sources/m.move": "..."}}
//   {"modules": ["base64"]} or {"error": "...", "panicked": false}
//
// The named address `c` is the package's own, which comes out as 0x0; `std` has `vector` only.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const vector = readFileSync(process.argv[2], 'utf8');
const require = createRequire(join(process.cwd(), 'noema.cjs'));
const { initMovePackageBuilder, dumpMovePackage } = await import(
    pathToFileURL(require.resolve('@zktx.io/sui-move-builder')).href
);
await initMovePackageBuilder();
const manifest =
    '[package]\nname = "case"\nedition = "2024"\nimplicit-dependencies = false\nflavor = "core"\n' +
    '[addresses]\nc = "0x0"\nstd = "0x1"\n';

for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
        const files = { 'Move.toml': manifest, 'sources/vector.move': vector, ...JSON.parse(line).files };
        const result = await dumpMovePackage({ files });
        answer = 'error' in result ? { error: String(result.error), panicked: false } : { modules: result.modules };
    } catch (error) {
        answer = { error: String(error), panicked: true };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
}

// Reads modules with the official reader (WebAssembly), writes them again, and compares the bytes.
//
//   node read.mjs MODULE.mv ...
//
// Prints one JSON document: each module's name, version, functions, and whether the bytes came back.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(join(process.cwd(), 'noema.cjs'));
const { deserialize, serialize } = require('@mysten/move-bytecode-template');

const report = process.argv.slice(2).map((path) => {
    const bytes = readFileSync(path);
    const module = deserialize(bytes);
    const again = Buffer.from(serialize(module));
    const own = module.module_handles[module.self_module_handle_idx];
    return {
        path,
        name: module.identifiers[own.name],
        version: module.version,
        functions: module.function_defs.length,
        same: again.equals(bytes),
    };
});
console.log(JSON.stringify(report));

// Checks what an editor would only complain about at run time: `npm run check`.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const read = (name) => fs.readFileSync(path.join(__dirname, name), "utf8");
const json = (name) => JSON.parse(read(name));

const manifest = json("package.json");
for (const language of manifest.contributes.languages) {
  json(language.configuration);
}

// Every pattern compiles, and every include names a rule.
function walk(grammar, rule) {
  for (const key of ["match", "begin", "end"]) {
    if (rule[key] !== undefined) {
      new RegExp(rule[key]);
    }
  }
  if (rule.include !== undefined) {
    assert(rule.include in Object.fromEntries(Object.keys(grammar.repository).map((name) => [`#${name}`, 1])), rule.include);
  }
  for (const inner of rule.patterns ?? []) {
    walk(grammar, inner);
  }
}
for (const { path: file, scopeName } of manifest.contributes.grammars) {
  const grammar = json(file);
  assert.strictEqual(grammar.scopeName, scopeName);
  walk(grammar, grammar);
  for (const rule of Object.values(grammar.repository)) {
    walk(grammar, rule);
  }
}

// The extension runs against a stand-in for the editor: it starts the server that the settings name, and stops it.
const started = [];
const settings = { path: "/bin/noema", namedAddresses: { hello: "0x42" } };
class LanguageClient {
  constructor(id, name, server, options) {
    Object.assign(this, { id, name, server, options, running: false });
  }
  async start() {
    this.running = true;
    started.push(this);
  }
  needsStop() {
    return this.running;
  }
  async stop() {
    this.running = false;
  }
}
const commands = {};
const stand = {
  vscode: {
    workspace: {
      getConfiguration: () => ({ get: (name, fallback) => settings[name] ?? fallback }),
      onDidChangeConfiguration: () => ({ dispose() {} }),
    },
    commands: { registerCommand: (name, run) => ((commands[name] = run), { dispose() {} }) },
    window: {},
  },
  "vscode-languageclient/node": { LanguageClient, TransportKind: { stdio: 0 } },
};
const module_ = { exports: {} };
vm.runInThisContext(`(function (require, module) {${read(manifest.main)}\n})`)((name) => stand[name], module_);

(async () => {
  await module_.exports.activate({ subscriptions: [] });
  assert.deepStrictEqual(started[0].server.args, ["move", "lsp"]);
  assert.strictEqual(started[0].server.command, settings.path);
  assert.deepStrictEqual(started[0].options.initializationOptions.namedAddresses, settings.namedAddresses);
  for (const command of manifest.contributes.commands) {
    await commands[command.command]();
  }
  assert.strictEqual(started.length, 2);
  assert(!started[0].running && started[1].running);
  await module_.exports.deactivate();
  assert(!started[1].running);
  console.log("ok");
})();

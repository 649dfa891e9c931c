// Starts `noema move lsp` and connects the editor to it. Everything else is the server's.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

function makeClient() {
  const settings = vscode.workspace.getConfiguration("noema-move");
  const executable = { command: settings.get("path", "noema"), args: ["move", "lsp"], transport: TransportKind.stdio };
  return new LanguageClient("noema-move", "Move (Noema)", executable, {
    documentSelector: [
      { language: "move", scheme: "file" },
      { language: "move", scheme: "untitled" },
    ],
    initializationOptions: { namedAddresses: settings.get("namedAddresses", {}) },
  });
}

async function start() {
  client = makeClient();
  try {
    await client.start();
  } catch (error) {
    const path = vscode.workspace.getConfiguration("noema-move").get("path", "noema");
    const choice = await vscode.window.showErrorMessage(
      `The Move language server did not start: \`${path} move lsp\` failed. Is noema installed?`,
      "Open settings",
    );
    if (choice) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "noema-move.path");
    }
  }
}

async function stop() {
  const old = client;
  client = undefined;
  if (old && old.needsStop()) {
    await old.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("noema-move.restart", restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const matters = ["path", "namedAddresses"].some((name) => event.affectsConfiguration(`noema-move.${name}`));
      return matters ? restart() : undefined;
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };

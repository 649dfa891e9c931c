//! `noema worker list`: what a node says of its workers and its own pool.

use noema_sdk::Client;
use serde_json::Value;

use crate::args::NodeArgs;
use crate::output::{CliResult, Output};

/// Characters of keys and roots in tables: `0x` and six bytes.
const KEY_CHARACTERS: usize = 14;

/// Asks a node.
pub(super) fn fetch(client: &Client) -> CliResult<Value> {
    Ok(client.get("/inference/workers")?)
}

/// Runs the command.
pub(super) fn run(output: Output, node: &NodeArgs) -> CliResult {
    let report = fetch(&Client::new(&node.url))?;
    output.result(|| text(&report), || report.clone());
    Ok(())
}

/// A text of the report; empty when there is none.
pub(super) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A count of the report; 0 when there is none.
pub(super) fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// The beginning of a key or root.
pub(super) fn short(text: &str) -> String {
    text.chars().take(KEY_CHARACTERS).collect()
}

/// Milliseconds, for people.
pub(super) fn ago(ms: Option<u64>) -> String {
    match ms {
        None => "never".to_owned(),
        Some(ms) if ms < 10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        Some(ms) if ms < 600_000 => format!("{} s", ms / 1_000),
        Some(ms) => format!("{} min", ms / 60_000),
    }
}

/// Rows of the table of workers; the node's own pool is the first.
pub(super) fn rows(report: &Value) -> Vec<[String; 10]> {
    let mut rows = Vec::new();
    let local = &report["local"];
    if local.is_object() {
        rows.push([
            "(this node)".to_owned(),
            String::new(),
            if count(local, "capacity") == 0 { "checks".to_owned() } else { "ready".to_owned() },
            String::new(),
            String::new(),
            String::new(),
            format!("{}/{}", count(local, "in_flight"), count(local, "capacity")),
            count(local, "answered").to_string(),
            String::new(),
            String::new(),
        ]);
    }
    for worker in report["workers"].as_array().into_iter().flatten() {
        let models: Vec<String> =
            worker["models"].as_array().into_iter().flatten().filter_map(Value::as_str).map(short).collect();
        let name = word(worker, "name");
        rows.push([
            if name.is_empty() { "-".to_owned() } else { name.to_owned() },
            short(word(worker, "key")),
            word(worker, "state").to_owned(),
            word(worker, "kernel").to_owned(),
            count(worker, "threads").to_string(),
            if models.len() > 1 { format!("{} models", models.len()) } else { models.concat() },
            format!("{}/{}", count(worker, "in_flight"), count(worker, "capacity")),
            count(worker, "answered").to_string(),
            count(worker, "faults").to_string(),
            ago(worker["last_seen_ms"].as_u64()),
        ]);
    }
    rows
}

/// Titles of the columns of [`rows`].
pub(super) const TITLES: [&str; 10] =
    ["name", "key", "state", "kernel", "threads", "models", "jobs", "answered", "faults", "seen"];

fn text(report: &Value) -> String {
    let rows = rows(report);
    let titles = TITLES.map(str::to_owned);
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|column| std::iter::once(&titles).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 10]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = std::iter::once(line(&titles)).chain(rows.iter().map(line)).collect();
    let node = &report["node"];
    lines.push(String::new());
    if node.is_object() {
        lines.push(format!("workers attach at {} to the key {}", word(node, "listen"), word(node, "key")));
    } else {
        lines.push("this node takes no workers: [inference] worker_listen of its node.toml says where".to_owned());
    }
    for worker in report["workers"].as_array().into_iter().flatten() {
        let problem = word(worker, "last_problem");
        if !problem.is_empty() {
            lines.push(format!("{}: {problem}", short(word(worker, "key"))));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_has_the_pool_and_every_worker() {
        let report = json!({
            "local": { "capacity": 16, "in_flight": 1, "answered": 7 },
            "node": { "listen": "127.0.0.1:6190", "key": "0xabcd" },
            "workers": [
                { "name": "gpu", "key": "0x0123456789abcdef", "state": "ready", "kernel": "avx2", "threads": 8,
                  "models": ["0xaa"], "in_flight": 3, "capacity": 4, "answered": 12, "faults": 0, "last_seen_ms": 120 },
                { "name": "", "key": "0xff", "state": "away", "last_seen_ms": null, "last_problem": "it is slow" },
            ],
        });
        let text = text(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("(this node)") && lines[1].contains("1/16"), "{text}");
        assert!(lines[2].contains("gpu") && lines[2].contains("3/4") && lines[2].ends_with("0.1 s"), "{text}");
        assert!(lines[3].contains("away") && lines[3].ends_with("never"), "{text}");
        assert!(text.contains("127.0.0.1:6190 to the key 0xabcd") && text.ends_with("0xff: it is slow"), "{text}");
        assert!(super::text(&json!({})).contains("takes no workers"));
    }
}

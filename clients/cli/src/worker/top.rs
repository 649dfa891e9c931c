//! `noema worker top`: a node's inference, refreshed every second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use noema_sdk::Client;
use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};
use ratatui::{Terminal, TerminalOptions, Viewport};
use serde_json::Value;

use super::list::{TITLES, ago, count, fetch, rows, word};
use crate::args::NodeArgs;
use crate::output::{CliError, CliResult, Context, Output};

/// Between two looks.
const REFRESH: Duration = Duration::from_secs(1);
/// Size of a frame that is printed.
const PRINTED: (u16, u16) = (120, 24);
const WIDTHS: [u16; 10] = [14, 15, 8, 8, 7, 15, 7, 9, 6, 8];

/// Two looks at a node, and the time between.
#[derive(Debug, Default)]
struct View {
    url: String,
    now: Value,
    before: Value,
    between: Duration,
    problem: Option<String>,
}

/// Runs the command.
pub(super) fn run(output: Output, node: &NodeArgs, once: bool) -> CliResult {
    let client = Client::new(&node.url);
    let mut view = View { url: node.url.clone(), now: fetch(&client)?, ..View::default() };
    if once || output.json {
        std::thread::sleep(REFRESH);
        view.look(&client, REFRESH);
        let frame = printed(&view)?;
        output.result(|| frame, || view.now.clone());
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        return Err(CliError::fault("stdout is no terminal").hint("--once prints one frame as text"));
    }
    let mut terminal = ratatui::init();
    let shown = watch(&mut terminal, &client, &mut view);
    ratatui::restore();
    shown.context("the terminal cannot be drawn on")
}

fn watch(terminal: &mut ratatui::DefaultTerminal, client: &Client, view: &mut View) -> std::io::Result<()> {
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| draw(frame, view))?;
        let left = REFRESH.saturating_sub(looked.elapsed());
        if event::poll(left)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            let is_end = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if is_end || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(());
            }
        }
        if looked.elapsed() >= REFRESH {
            let between = looked.elapsed();
            looked = Instant::now();
            view.look(client, between);
        }
    }
}

/// One frame as text.
fn printed(view: &View) -> CliResult<String> {
    let (width, height) = PRINTED;
    let options = TerminalOptions { viewport: Viewport::Fullscreen };
    let mut terminal =
        Terminal::with_options(TestBackend::new(width, height), options).context("a frame cannot be drawn")?;
    terminal.draw(|frame| draw(frame, view)).context("a frame cannot be drawn")?;
    Ok(plain(terminal.backend().buffer()))
}

fn plain(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y| {
        let cells: String = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
        cells.trim_end().to_owned()
    };
    let lines: Vec<String> = (0..area.height).map(line).collect();
    lines.join("\n").trim_end().to_owned()
}

impl View {
    fn look(&mut self, client: &Client, between: Duration) {
        match fetch(client) {
            Ok(report) => {
                self.before = std::mem::replace(&mut self.now, report);
                self.between = between;
                self.problem = None;
            }
            Err(error) => self.problem = Some(error.message),
        }
    }

    /// Tenths of a count's growth per second, as text; over the pool and all workers.
    fn rate(&self, name: &str) -> String {
        let (now, before) = (pools(&self.now, name), pools(&self.before, name));
        let millis = u64::try_from(self.between.as_millis()).unwrap_or(u64::MAX).max(1);
        // A worker that started anew counts from zero.
        let tenths = if self.before.is_null() { 0 } else { now.saturating_sub(before).saturating_mul(10_000) / millis };
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// A count of the pool and of all workers' pools together.
fn pools(report: &Value, name: &str) -> u64 {
    let workers = report["workers"].as_array().into_iter().flatten();
    workers.map(|worker| count(&worker["pool"], name)).sum::<u64>() + count(&report["local"]["pool"], name)
}

fn draw(frame: &mut Frame<'_>, view: &View) {
    let parts = [Constraint::Length(6), Constraint::Min(4), Constraint::Length(1)];
    let [above, middle, below] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(summary(view), above);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let table_rows = rows(&view.now).into_iter().map(|row| {
        let style = match row[2].as_str() {
            "refused" => Style::new().fg(Color::Red),
            "away" => Style::new().fg(Color::DarkGray),
            "testing" | "leaving" => Style::new().fg(Color::Yellow),
            _ => Style::new(),
        };
        Row::new(row).style(style)
    });
    let table = Table::new(table_rows, WIDTHS.map(Constraint::Length))
        .header(Row::new(TITLES).style(bold))
        .block(Block::bordered().title(" workers "));
    frame.render_widget(table, middle);
    let last = match &view.problem {
        Some(problem) => Line::from(Span::styled(problem.clone(), Style::new().fg(Color::Red))),
        None => Line::from("q quits"),
    };
    frame.render_widget(last, below);
}

fn summary(view: &View) -> Paragraph<'static> {
    let (queue, totals) = (&view.now["queue"], &view.now["totals"]);
    let hits = |name| pools(&view.now, name);
    let mebibytes = hits("memory_bytes") >> 20;
    let lines = vec![
        Line::from(format!(
            "queue     {} wait, the oldest for {}; {} open, {} KiB",
            count(queue, "jobs"),
            ago(Some(count(queue, "oldest_ms"))),
            count(queue, "open"),
            count(queue, "bytes") >> 10
        )),
        Line::from(format!(
            "tokens/s  {} made, {} read; batch {} sequences, {} MiB of memory",
            view.rate("tokens_made"),
            view.rate("tokens_read"),
            hits("running"),
            mebibytes
        )),
        Line::from(format!(
            "jobs      {} answered, {} moved, {} late, {} cancelled; {} faults",
            count(totals, "answered"),
            count(totals, "moved"),
            count(totals, "late"),
            count(totals, "cancelled"),
            count(totals, "faults")
        )),
        Line::from(format!(
            "hits      {} memo, {} prefix ({} tokens not read); refused {} keys, {} workers",
            count(totals, "memo_hits"),
            hits("prefix_hits"),
            hits("prefix_tokens"),
            count(totals, "unknown_keys"),
            count(totals, "refused")
        )),
    ];
    let place = word(&view.now["node"], "listen");
    let place = if place.is_empty() { String::new() } else { format!("workers at {place} ") };
    Paragraph::new(lines).block(Block::bordered().title(format!(" {} {place}", view.url)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(made: u64) -> Value {
        json!({
            "queue": { "jobs": 5, "open": 9, "bytes": 4096, "oldest_ms": 1_200 },
            "local": { "capacity": 0, "in_flight": 0, "answered": 0, "pool": { "tokens_made": 10 } },
            "workers": [{ "name": "gpu", "key": "0x01", "state": "ready", "kernel": "avx2", "threads": 2, "models": [],
                "in_flight": 4, "capacity": 4, "answered": 3, "faults": 0, "last_seen_ms": 10,
                "pool": { "tokens_made": made, "running": 4, "prefix_hits": 2 } }],
            "totals": { "answered": 3, "moved": 1, "memo_hits": 6 },
            "node": { "listen": "127.0.0.1:6190", "key": "0x02" },
        })
    }

    #[test]
    fn a_frame_shows_queue_speed_and_workers() {
        let view = View {
            url: "http://node/v1".to_owned(),
            now: report(151),
            before: report(100),
            between: Duration::from_secs(2),
            problem: None,
        };
        let text = printed(&view).expect("it is drawn");
        for expected in [
            "http://node/v1 workers at 127.0.0.1:6190",
            "5 wait, the oldest for 1.2 s; 9 open",
            "25.5 made",
            "batch 4 sequences",
            "3 answered, 1 moved",
            "6 memo, 2 prefix",
            "(this node)",
            "gpu",
            "4/4",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_first_look_and_a_restart_have_no_rate() {
        let view = View { now: report(151), ..View::default() };
        assert_eq!(view.rate("tokens_made"), "0.0");
        let view = View { now: report(1), before: report(100), between: REFRESH, ..View::default() };
        assert_eq!(view.rate("tokens_made"), "0.0");
        let gone = View { problem: Some("the node is away".to_owned()), ..view };
        assert!(printed(&gone).expect("it is drawn").ends_with("the node is away"));
    }
}

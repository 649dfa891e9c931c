//! Pages of the standard library and the framework.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use noema_compiler::package::{EmbeddedPackages, LoadOptions, LoadedProgram, load, load_texts};
use noema_move_tools::doc::{DocOptions, INDEX, document};

fn package(name: &str) -> LoadedProgram {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    load(&folder, &EmbeddedPackages::new(), &LoadOptions::default()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn pages(loaded: &LoadedProgram, dependencies: bool) -> BTreeMap<String, String> {
    let documents = document(loaded, DocOptions { dependencies }).expect("it expands");
    assert_eq!(documents[0].file, INDEX);
    documents.into_iter().map(|one| (one.file, one.text)).collect()
}

/// Targets of Markdown and HTML links.
fn links(text: &str) -> Vec<String> {
    let after = |mark: &'static str, end: char| {
        text.match_indices(mark).filter_map(move |(at, _)| {
            let rest = &text[at + mark.len()..];
            Some(rest[..rest.find(end)?].to_owned())
        })
    };
    after("](", ')').chain(after("href=\"", '"')).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.split("<a id=\"").skip(1).filter_map(|rest| Some(rest[..rest.find('"')?].to_owned())).collect()
}

fn check_links(pages: &BTreeMap<String, String>) -> usize {
    let mut count = 0;
    for (file, text) in pages {
        let own = anchors(text);
        assert_eq!(own.len(), text.matches("<a id=").count(), "{file} has an anchor twice");
        for link in links(text) {
            let (target, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if target.is_empty() { file.as_str() } else { target };
            let page = pages.get(target).unwrap_or_else(|| panic!("{file} links to {link}, which is no page"));
            if let Some(anchor) = anchor {
                assert!(anchors(page).contains(anchor), "{file} links to {link}, which is no anchor");
            }
            count += 1;
        }
    }
    count
}

#[test]
fn every_link_leads_somewhere() {
    assert!(check_links(&pages(&package("move-stdlib"), false)) > 100);
    assert!(check_links(&pages(&package("framework"), false)) > 500);
    assert!(check_links(&pages(&package("framework"), true)) > 700);
}

#[test]
fn the_coin_module_is_all_there() {
    let pages = pages(&package("framework"), true);
    let coin = &pages["0x1_coin.md"];
    for wanted in [
        "# Module `0x1::coin`",
        "Coins: one generic implementation, a type per currency.",
        "<pre><code>struct <b>Coin</b>&lt;phantom CoinType&gt; has store</code></pre>",
        "| `deposit_events` | <code><a href=\"0x1_event.md#member-EventHandle\">EventHandle</a>&lt;<a href=\"0x1_coin.md#member-DepositEvent\">DepositEvent</a>&gt;</code> |",
        "| <code>6</code> | <a id=\"member-EINSUFFICIENT_BALANCE\"></a>`EINSUFFICIENT_BALANCE` | The account has less than is asked for. |",
        "`MAX_COIN_NAME_LENGTH` | <code>u64</code> | <code>32</code>",
        "| [`transfer`](#member-transfer) *entry* |",
        "| [`balance`](#member-balance) *view* |",
        "public entry fun <b>transfer</b>&lt;CoinType&gt;(from: &amp;signer, to: address, amount: u64)",
        "<a href=\"0x1_option.md#member-Option\">Option</a>&lt;u128&gt;",
        "<details><summary>Code</summary>\n\n```move\npublic entry fun transfer",
        "## Private functions",
    ] {
        assert!(coin.contains(wanted), "{wanted}\nis not in\n{coin}");
    }
    assert!(
        pages[INDEX].contains("| [`0x1::coin`](0x1_coin.md) | Coins: one generic implementation"),
        "{}",
        pages[INDEX]
    );
    assert!(!pages.contains_key("0x1_coin_tests.md"));
    assert!(!pages["0x1_account.md"].contains("create_account_for_test"), "test code has no page");
}

#[test]
fn text_cannot_break_out() {
    let source = "/// A `Map<K>` and a Map<K, V> | <script>alert(1)</script>\n\
        module 0x42::m {\n    /// A | pipe, see `f` and `no_such`.\n    const E_X: u64 = 1 | 2;\n\
        /// Uses <b> and `E::A`.\n    enum E has drop { A(u64), B { x: u64 } }\n\
        /// ```\n    /// left open <i>\n    inline fun f(e: &E, g: |u64| u64): bool { /* ``` </details> */ true }\n}\n";
    let loaded = load_texts([("m.move", source)], &EmbeddedPackages::new(), &LoadOptions::default()).expect("it loads");
    let pages = pages(&loaded, false);
    let page = &pages["0x42_m.md"];
    check_links(&pages);
    let outside: String = page.split("````").step_by(2).collect();
    assert!(!page.contains("<script>") && page.contains("&lt;script>"), "{page}");
    assert!(page.contains("`Map<K>`"), "code spans stay\n{page}");
    assert!(page.contains("| <code>1 &#124; 2</code> |"), "{page}");
    assert!(page.contains("A \\| pipe, see [`f`](0x42_m.md#member-f) and `no_such`."), "{page}");
    assert!(page.contains("````move"), "the fence outlasts the comment\n{page}");
    assert_eq!(outside.matches("<details>").count(), outside.matches("</details>").count(), "{page}");
    assert!(page.contains("left open <i>\n```"), "an open fence is closed\n{page}");
}

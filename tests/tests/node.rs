//! A real node, a small model: contracts ask it, and everything that can be wrong with an input is said clearly.

use noema_sdk::{Client, ClientError};
use noema_tests::chain::{Account, WAIT, metric, now_secs, publish_example, resident_model, text, tiny_model};
use noema_tests::localnet::Localnet;
use noema_tests::process::{run_fails, run_json};
use noema_types::{Address, ChainId, SignedTransaction};
use serde_json::{Value, json};

const FUNDS: u64 = 100_000_000_000;
const GAS: u64 = 2_000_000;

struct Net {
    net: Localnet,
    model: Address,
    scribe: Address,
    _folder: tempfile::TempDir,
}

fn start() -> Net {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = tiny_model(folder.path());
    let net = Localnet::start(&["--model", file.to_str().expect("a plain path")]);
    let scribe = publish_example(&net, "scribe");
    let model = resident_model(&net.client());
    Net { net, model, scribe, _folder: folder }
}

impl Net {
    fn write(&self) -> String {
        format!("{}::scribe::write", self.scribe)
    }

    fn arguments(&self, prompt: impl AsRef<[u8]>, tokens: u64) -> Vec<Vec<u8>> {
        vec![self.model.0.to_vec(), text(prompt), tokens.to_le_bytes().to_vec()]
    }
}

fn status(transaction: &Value) -> &str {
    transaction["vm_status"].as_str().expect("a status")
}

fn refused(client: &Client, transaction: &SignedTransaction) -> (String, Option<u64>, String) {
    match client.submit(transaction) {
        Err(ClientError::Api(error)) => (error.error_code.clone(), error.vm_error_code, error.message),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn twelve_transactions_with_one_prompt_run_the_model_once() {
    let net = start();
    let client = net.net.client();
    let mut accounts: Vec<Account> = (1..=4).map(|seed| Account::funded(&net.net, seed, FUNDS)).collect();
    let before = metric(&net.net, "noema_inference_jobs_run");
    let mut hashes = Vec::new();
    for round in 0..3 {
        for account in &mut accounts {
            let transaction = account.call(&net.write(), net.arguments("one prompt", 12), round, GAS);
            hashes.push(client.submit(&transaction).expect("admitted"));
        }
    }
    let done: Vec<Value> = hashes.iter().map(|hash| client.wait(hash, WAIT).expect("committed")).collect();
    assert!(
        done.iter().all(|transaction| transaction["success"] == true),
        "{:?}",
        done.iter().map(status).collect::<Vec<_>>()
    );
    assert_eq!(metric(&net.net, "noema_inference_jobs_run") - before, 1);
    // Each pays, and an account's first note costs what every other account's first note costs.
    let gas: Vec<&Value> = done.iter().map(|transaction| &transaction["gas_used"]).collect();
    assert!(gas[..4].iter().all(|first| *first == gas[0]), "{gas:?}");
    let texts: Vec<Vec<Value>> = accounts
        .iter()
        .map(|account| {
            let arguments = [json!(account.address()), json!("0")];
            client.view(&format!("{}::scribe::text", net.scribe), &[], &arguments).expect("the view answers")
        })
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]));
}

#[test]
fn refused_transactions_say_why_and_leave_no_trace() {
    let net = start();
    let client = net.net.client();
    let mut account = Account::funded(&net.net, 9, FUNDS);
    let to = Address([5; 32]);
    let transfer = "0x1::aptos_account::transfer";
    let args = || vec![to.0.to_vec(), 1_u64.to_le_bytes().to_vec()];
    let balance = client.balance(account.address()).expect("a balance");

    let wrong_chain = account.builder(transfer, args(), 0, ChainId(9)).gas(GAS, 100).sign(&account.key);
    assert_eq!(refused(&client, &wrong_chain).1, Some(23));
    let mut forged = account.call(transfer, args(), 0, GAS);
    forged.raw.gas_unit_price = 101;
    assert_eq!(refused(&client, &forged).1, Some(1));
    let other = Account { key: noema_crypto::Ed25519KeyPair::from_private_bytes([99; 32]), next: 0 };
    let stolen = account.builder(transfer, args(), 0, ChainId(4)).gas(GAS, 100).sign(&other.key);
    assert_eq!(refused(&client, &stolen).1, Some(2), "a valid signature by another key");
    let mut late = account.call(transfer, args(), 0, GAS);
    late.raw.expiration_timestamp_secs = now_secs() - 10;
    let signature = account.key.sign(&late.raw.signing_message());
    late.authenticator = noema_types::TransactionAuthenticator::Ed25519 { public_key: account.key.public(), signature };
    assert_eq!(refused(&client, &late).1, Some(6));
    let poor = Account { key: noema_crypto::Ed25519KeyPair::from_private_bytes([98; 32]), next: 0 };
    let (.., message) = refused(&client, &poor.call(transfer, args(), 0, GAS));
    assert!(message.contains("does not exist") || message.contains("holds 0"), "{message}");
    let greedy = account.builder(transfer, args(), 0, ChainId(4)).gas(GAS * 1_000, 100).sign(&account.key);
    assert_eq!(refused(&client, &greedy).1, Some(13));

    // A future sequence number waits for the ones before it.
    let second = client.submit(&account.call(transfer, args(), 1, GAS)).expect("parked");
    assert_eq!(
        client.get::<Value>(&format!("/transactions/by_hash/{second}")).expect("known")["type"],
        "pending_transaction"
    );
    let first = account.execute(&client, transfer, args(), GAS);
    assert_eq!(first["success"], true);
    assert_eq!(client.wait(&second, WAIT).expect("unparked")["success"], true);
    account.next = 2;
    assert_eq!(refused(&client, &account.call(transfer, args(), 0, GAS)).1, Some(3));

    // Bytes that are no transaction.
    for body in [&b""[..], b"\x00", b"not a transaction", &[0xff; 300]] {
        let mut response = ureq::post(format!("{}/transactions", net.net.url()))
            .config()
            .http_status_as_error(false)
            .build()
            .header("content-type", "application/x.aptos.signed_transaction+bcs")
            .send(body)
            .expect("an answer");
        assert_eq!(response.status().as_u16(), 400);
        let error: Value = response.body_mut().read_json().expect("an error as JSON");
        assert_eq!(error["error_code"], "invalid_input", "{error}");
    }
    let spent: u64 = [&first["gas_used"]]
        .iter()
        .filter_map(|gas| gas.as_str())
        .map(|gas| gas.parse::<u64>().expect("a number"))
        .sum();
    let left = client.balance(account.address()).expect("a balance");
    assert!(left < balance - spent * 100, "both transfers paid: {left} of {balance}");
    assert_eq!(client.balance(to).expect("a balance"), 2);
    assert!(client.get::<Value>("/-/healthy").is_ok());
}

#[test]
fn failing_questions_abort_with_their_names_and_keep_the_fee() {
    let net = start();
    let client = net.net.client();
    let mut account = Account::funded(&net.net, 11, FUNDS);
    let write = net.write();
    let cases: [(&str, Vec<Vec<u8>>, u64, &str); 5] = [
        ("prompt over the context", net.arguments("x".repeat(400), 8), GAS, "EPROMPT_TOO_LONG"),
        ("empty prompt", net.arguments("", 8), GAS, "EPROMPT_EMPTY"),
        ("no new tokens", net.arguments("hello", 0), GAS, "ENEW_TOKENS"),
        (
            "an address without a model",
            vec![Address([3; 32]).0.to_vec(), text("hello"), 8_u64.to_le_bytes().to_vec()],
            GAS,
            "EOBJECT_DOES_NOT_EXIST",
        ),
        ("too little gas for the question's bound", net.arguments("hello", 8), 10, "Out of gas"),
    ];
    for (what, args, gas, expected) in cases {
        let before = client.balance(account.address()).expect("a balance");
        let done = account.execute(&client, &write, args, gas);
        assert_eq!(done["success"], false, "{what}");
        assert!(status(&done).contains(expected), "{what}: {}", status(&done));
        let used: u64 = done["gas_used"].as_str().and_then(|text| text.parse().ok()).expect("gas");
        assert!(used > 0, "{what}: failing costs gas");
        assert_eq!(client.balance(account.address()).expect("a balance"), before - used * 100, "{what}: the fee alone");
    }
    // Not UTF-8: refused when the argument is read, before anything runs.
    let done = account.execute(&client, &write, net.arguments(b"\xff\xfe", 8), GAS);
    assert_eq!(done["success"], false);
    // Nothing was half done, and the account still works.
    let arguments = [json!(account.address())];
    let count = client.view(&format!("{}::scribe::count", net.scribe), &[], &arguments).expect("the view answers");
    assert_eq!(count, vec![json!("0")]);
    let done = account.execute(&client, &write, net.arguments("hello", 8), GAS);
    assert_eq!(status(&done), "Executed successfully");
    assert!(client.get::<Value>("/-/healthy").is_ok());
}

#[test]
fn modules_that_fail_verification_are_refused() {
    let net = start();
    let client = net.net.client();
    let mut account = Account::funded(&net.net, 13, FUNDS);
    let bytes: Value = client.get(&format!("/accounts/{}/module/scribe", net.scribe)).expect("published");
    let module = hex::decode(bytes["bytecode"].as_str().expect("hex").trim_start_matches("0x")).expect("hex");
    let metadata = |name: &str| {
        let modules = vec![(name.to_owned(), Vec::<u8>::new(), Vec::<u8>::new(), None::<u8>)];
        bcs::to_bytes(&("P", 1_u8, 0_u64, "", Vec::<u8>::new(), modules, Vec::<(Address, String)>::new(), None::<u8>))
            .expect("metadata serialises")
    };
    let mut flips = vec![b"garbage".to_vec(), Vec::new(), module.clone()];
    for place in [40, module.len() / 2, module.len() - 3] {
        let mut flipped = module.clone();
        flipped[place] ^= 0x15;
        flips.push(flipped);
    }
    for code in flips {
        let args = vec![bcs::to_bytes(&metadata("scribe")).expect("bytes"), bcs::to_bytes(&vec![code]).expect("bytes")];
        let done = account.execute(&client, "0x1::code::publish_package_txn", args, GAS);
        assert_eq!(done["success"], false, "foreign or broken code was published");
    }
    let modules: Vec<Value> = client.get(&format!("/accounts/{}/modules", account.address())).expect("a list");
    assert!(modules.is_empty());
    assert!(client.get::<Value>("/-/healthy").is_ok());
}

#[test]
fn damaged_models_do_not_start_a_node() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = tiny_model(folder.path());
    let whole = std::fs::read(&file).expect("just written");
    let path = file.to_str().expect("a plain path");
    let dir = folder.path().join("net");
    let dir = dir.to_str().expect("a plain path");
    let port = noema_tests::network::free_ports(8).to_string();
    for damaged in [&whole[..whole.len() / 2], &whole[..4], b"GGUF or something"] {
        std::fs::write(&file, damaged).expect("a file");
        let said = run_fails(folder.path(), &["localnet", "--dir", dir, "--port", &port, "--model", path], 2);
        assert!(said.contains("hint:") && said.contains("tiny.noema"), "{said}");
    }
    let said = run_fails(folder.path(), &["localnet", "--dir", dir, "--port", &port, "--model", "absent"], 2);
    assert!(said.contains("there is no model `absent`"), "{said}");
    let said = run_fails(folder.path(), &["localnet", "--dir", dir, "--port", &port, "--kernel", "abacus"], 2);
    assert!(said.contains("abacus"), "{said}");
}

#[test]
fn the_api_answers_what_sdks_ask() {
    let net = start();
    let client = net.net.client();
    let mut account = Account::funded(&net.net, 21, FUNDS);
    let done = account.execute(&client, &net.write(), net.arguments("hello", 4), GAS);
    let address = account.address();

    let info = client.ledger_info().expect("ledger info");
    assert_eq!(info["chain_id"], 4);
    assert!(info["ledger_version"].is_string() && info["block_height"].is_string());
    let slash: Value = client.get("/").expect("with a trailing slash too");
    assert_eq!(slash["chain_id"], 4);

    let shown: Value = client.get(&format!("/accounts/{address}")).expect("an account");
    assert_eq!(shown["sequence_number"], "1");
    assert_eq!(shown["authentication_key"].as_str().expect("a key").len(), 66);
    let resource: Value =
        client.get(&format!("/accounts/{address}/resource/0x1::account::Account")).expect("a resource");
    assert_eq!(resource["data"]["sequence_number"], "1");
    let coins = "/resource/0x1::coin::CoinStore%3C0x1::aptos_coin::AptosCoin%3E";
    let coins: Value = client.get(&format!("/accounts/{address}{coins}")).expect("percent-escapes are decoded");
    assert!(coins["data"]["coin"]["value"].is_string());
    let notebook: Value =
        client.get(&format!("/accounts/{address}/resource/{}::scribe::Notebook", net.scribe)).expect("the notebook");
    assert_eq!(notebook["data"]["notes"][0]["prompt"], "hello");

    let module: Value = client.get(&format!("/accounts/{}/module/scribe", net.scribe)).expect("a module");
    let functions = module["abi"]["exposed_functions"].as_array().expect("functions");
    let find = |name: &str| functions.iter().find(|function| function["name"] == name).expect("the function").clone();
    assert_eq!(find("write")["is_entry"], true);
    assert_eq!(
        find("write")["params"],
        json!(["&signer", "0x1::object::Object<0x1::model::Model>", "0x1::string::String", "u64"])
    );
    assert_eq!(find("text")["is_view"], true);
    assert_eq!(find("text")["return"], json!(["0x1::string::String"]));
    let structs = module["abi"]["structs"].as_array().expect("structs");
    assert!(structs.iter().any(|one| one["name"] == "Written" && one["is_event"] == true));

    assert_eq!(done["type"], "user_transaction");
    assert_eq!(done["payload"]["arguments"][1], "hello");
    assert_eq!(done["payload"]["arguments"][2], "4");
    assert_eq!(done["signature"]["type"], "ed25519_signature");
    let events = done["events"].as_array().expect("events");
    assert!(events.iter().any(|event| event["type"] == "0x1::transaction_fee::FeeStatement"));
    let written = events.iter().find(|event| event["type"] == format!("{}::scribe::Written", net.scribe).as_str());
    assert_eq!(written.expect("the event")["data"]["author"], json!(address));
    let hash = done["hash"].as_str().expect("a hash");
    for form in [hash, hash.trim_start_matches("0x")] {
        let found: Value = client.get(&format!("/transactions/by_hash/{form}")).expect("by hash");
        assert_eq!(found["version"], done["version"]);
    }
    let version = done["version"].as_str().expect("a version");
    let found: Value = client.get(&format!("/transactions/by_version/{version}")).expect("by version");
    assert_eq!(found, done);
    let block: Value = client.get(&format!("/blocks/by_version/{version}?with_transactions=true")).expect("a block");
    let listed = block["transactions"].as_array().expect("transactions");
    assert!(listed.iter().any(|one| one["hash"] == done["hash"]));
    assert_eq!(listed[0]["type"], "block_metadata_transaction");
    let genesis: Value = client.get("/blocks/by_height/0?with_transactions=true").expect("genesis");
    assert_eq!(genesis["transactions"][0]["type"], "genesis_transaction");
    let mine: Vec<Value> = client.get(&format!("/accounts/{address}/transactions?start=0&limit=1")).expect("a list");
    assert_eq!(mine[0]["hash"], done["hash"]);
    let none: Vec<Value> = client.get(&format!("/accounts/{address}/transactions?start=7&limit=1")).expect("a list");
    assert!(none.is_empty());

    let balance = client.view("0x1::coin::balance", &["0x1::aptos_coin::AptosCoin".to_owned()], &[json!(address)]);
    assert_eq!(balance.expect("a view")[0], json!(client.balance(address).expect("a balance").to_string()));
    let simulated = client
        .simulate(
            &account
                .builder(&net.write(), net.arguments("hello", 4), 1, ChainId(4))
                .gas(GAS, 100)
                .unsigned(&account.key),
        )
        .expect("a simulation");
    assert_eq!(simulated["success"], true, "{}", simulated["vm_status"]);
    let signed = account.call(&net.write(), net.arguments("hello", 4), 1, GAS);
    assert!(matches!(client.simulate(&signed), Err(ClientError::Api(error)) if error.error_code == "invalid_input"));
    assert_eq!(
        account.execute(&client, &net.write(), net.arguments("hello", 4), GAS)["gas_used"],
        simulated["gas_used"]
    );

    for (path, code, status) in [
        ("/accounts/0xzz".to_owned(), "invalid_input", 400),
        (format!("/accounts/{}", Address([0xee; 32])), "account_not_found", 404),
        (format!("/accounts/{address}/resource/0x1::no::Thing"), "resource_not_found", 404),
        (format!("/accounts/{address}/module/none"), "module_not_found", 404),
        ("/transactions/by_version/999999999".to_owned(), "transaction_not_found", 404),
        (format!("/transactions/by_hash/0x{}", "ab".repeat(32)), "transaction_not_found", 404),
        ("/transactions?limit=0".to_owned(), "invalid_input", 400),
        ("/transactions?start=1&start=2".to_owned(), "invalid_input", 400),
        ("/blocks/by_height/999999999".to_owned(), "block_not_found", 404),
        ("/nothing/here".to_owned(), "web_framework_error", 404),
        ("?ledger_version=1&x=y".to_owned(), "", 200),
    ] {
        match client.get::<Value>(&path) {
            Err(ClientError::Api(error)) => {
                assert_eq!((error.error_code.as_str(), error.status), (code, status), "{path}")
            }
            Ok(_) => assert_eq!(status, 200, "{path}"),
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// What the command line says of the same question, on this machine alone.
fn alone(net: &Localnet, model: &std::path::Path, more: &[&str]) -> Value {
    let model = model.to_str().expect("a plain path");
    run_json(net.home(), &[&["infer", "--model", model], more].concat())["answer"].clone()
}

fn event<'a>(transaction: &'a Value, name: &str) -> &'a Value {
    assert_eq!(transaction["success"], true, "{transaction:#}");
    let events = transaction["events"].as_array().expect("events");
    let found = events.iter().find(|event| event["type"].as_str().is_some_and(|kind| kind.ends_with(name)));
    &found.unwrap_or_else(|| panic!("no {name}: {transaction:#}"))["data"]
}

#[test]
fn contracts_embed_compare_and_score_with_models_of_three_families() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the folder takes a file");
        path
    };
    let (llama, neox, bert) = (
        file("llama.noema", noema_models::synthetic::tiny_llama(7)),
        file("neox.noema", noema_models::synthetic::tiny_neox(7)),
        file("bert.noema", noema_models::synthetic::tiny_bert(7)),
    );
    let paths = [&llama, &neox, &bert].map(|path| path.to_str().expect("a plain path"));
    let net = Localnet::start(&["--model", paths[0], "--model", paths[1], "--model", paths[2]]);
    let librarian = publish_example(&net, "librarian");
    let client = net.client();
    let models = client.view("0x1::model::resident_models", &[], &[]).expect("the view answers");
    let at = |index: usize| -> Address { models[0][index].as_str().and_then(|at| at.parse().ok()).expect("a model") };
    let mut reader = Account::funded(&net, 11, FUNDS);
    let call = |reader: &mut Account, name: &str, args: Vec<Vec<u8>>| {
        reader.execute(&client, &format!("{librarian}::librarian::{name}"), args, GAS)
    };

    let mut embeddings = Vec::new();
    for said in ["the cat sleeps", "stocks fell today", "the cat slept"] {
        embeddings.push(alone(&net, &bert, &["--prompt", said, "--embed"])["Embedded"]["values"].clone());
        if embeddings.len() < 3 {
            let kept = call(&mut reader, "remember", vec![at(2).0.to_vec(), text(said)]);
            assert_eq!(kept["success"], true, "{kept:#}");
        }
    }
    let embedding = |at: usize| -> Vec<i8> { serde_json::from_value(embeddings[at].clone()).expect("signed bytes") };
    let alike = [0, 1].map(|at| noema_inference_api::similarity_bps(&embedding(2), &embedding(at)).expect("one width"));
    let best = usize::from(alike[1] > alike[0]);
    let owner = reader.address().0.to_vec();
    let asked = call(&mut reader, "ask", vec![at(2).0.to_vec(), owner, text("the cat slept")]);
    let found = event(&asked, "::Found");
    assert_eq!(found["similarity"], alike[best].to_string(), "{alike:?}");
    assert_eq!(found["index"], best.to_string());

    for (index, file) in [(0, &llama), (1, &neox)] {
        let expected = &alone(&net, file, &["--prompt", "one", "--score", " two"])["Scored"]["micro_nats"];
        let weighed = call(&mut reader, "weigh", vec![at(index).0.to_vec(), text("one"), text(" two")]);
        assert_eq!(event(&weighed, "::Weighed")["micro_nats"], expected.to_string(), "model {index}");
    }
    // Each model does what it is for, and says so.
    for (name, args) in
        [("remember", vec![at(0).0.to_vec(), text("a")]), ("weigh", vec![at(2).0.to_vec(), text("a"), text("b")])]
    {
        let transaction = reader.call(&format!("{librarian}::librarian::{name}"), args, reader.next, GAS);
        let hash = client.submit(&transaction).expect("admitted");
        reader.next += 1;
        let refused = client.wait(&hash, WAIT).expect("committed");
        assert!(status(&refused).contains("EMODEL_KIND"), "{refused:#}");
    }
}

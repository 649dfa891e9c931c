//! Questions to models: once per job, paid by everyone, the same in simulation and views.

use noema_executor::limits::VIEW_GAS_MAX;
use noema_executor::{SimulateError, SimulationOptions, ViewError};
use noema_types::{AccountAuthenticator, ExecutionStatus, Gas, SignedTransaction, TransactionAuthenticator};

use crate::support::{ACCOUNTS, address, bytes, entry, executed, model, sign, succeeded};
use crate::{chain_with_probe, counter, probe};

#[test]
fn transactions_with_one_prompt_run_the_model_once_and_pay_each() {
    let mut chain = chain_with_probe();
    let mut txs = Vec::new();
    for round in 0..2 {
        for who in 1..ACCOUNTS {
            let _ = round;
            txs.push(chain.call(who, &probe("ask"), vec![bytes(&model()), bytes(&"hello")]));
        }
    }
    assert!(txs.len() >= 12);
    let results = chain.block(txs);
    assert_eq!(chain.engine.jobs().len(), 1);
    let mut gas = Vec::new();
    for result in &results {
        let output = succeeded(result);
        assert_eq!((output.inference.calls, output.inference.jobs.len()), (1, 1));
        assert!(output.inference.units > 0);
        gas.push(output.gas_used);
        assert!(
            output
                .events
                .iter()
                .any(|event| { event.type_tag().to_string() == "0x1::transaction_fee::InferenceStatement" })
        );
    }
    let first_of_each = &gas[..usize::from(ACCOUNTS) - 1];
    assert!(first_of_each.iter().all(|used| used == &gas[0]), "a memo hit costs what a miss costs: {gas:?}");
    let answers: (Vec<String>, noema_types::Address) = chain
        .resource(address(1), &probe("Answers"))
        .map(|(texts, handle, _): (_, _, ())| (texts, handle))
        .expect("kept");
    assert_eq!(answers.0, ["olleh", "olleh"]);
}

#[test]
fn different_prompts_are_asked_together() {
    let mut chain = chain_with_probe();
    let txs = (1..ACCOUNTS)
        .map(|who| chain.call(who, &probe("ask"), vec![bytes(&model()), bytes(&format!("prompt {who}"))]))
        .collect();
    for result in chain.block(txs) {
        succeeded(&result);
    }
    assert_eq!(chain.engine.jobs().len(), usize::from(ACCOUNTS) - 1);
}

#[test]
fn choices_decide() {
    let mut chain = chain_with_probe();
    let choices = vec!["positive".to_owned(), "negative".to_owned()];
    let tx = chain.call(1, &probe("decide"), vec![bytes(&model()), bytes(&"odd"), bytes(&choices)]);
    succeeded(&chain.run(tx));
    assert_eq!(counter(&chain), 2, "index 1 of a prompt of odd length");
}

#[test]
fn a_question_is_paid_for_even_if_the_transaction_fails() {
    let mut chain = chain_with_probe();
    let tx = chain.call(1, &probe("ask_and_fail"), vec![bytes(&model()), bytes(&"hello")]);
    let result = chain.run(tx);
    let output = executed(&result);
    assert!(matches!(output.status, ExecutionStatus::MoveAbort { code: 7, .. }), "{}", output.status);
    assert!(output.inference.units > 0 && output.inference.calls == 1);
}

#[test]
fn gas_bounds_questions_before_any_work() {
    let mut chain = chain_with_probe();
    let mut raw = chain.raw(1, &probe("ask"), vec![bytes(&model()), bytes(&"hello")]);
    // Enough to get to the question, not for the most that its answer may cost.
    raw.max_gas_amount = Gas(300);
    let result = chain.run(sign(1, raw));
    assert_eq!(executed(&result).status, ExecutionStatus::OutOfGas);
    assert_eq!(chain.engine.jobs().len(), 0, "the model did not run");
}

#[test]
fn unknown_models_and_empty_prompts_are_named() {
    let mut chain = chain_with_probe();
    let tx = chain.call(1, &probe("ask"), vec![bytes(&address(3)), bytes(&"hello")]);
    assert!(!executed(&chain.run(tx)).status.is_success());
    let tx = chain.call(1, &probe("ask"), vec![bytes(&model()), bytes(&"")]);
    let text = executed(&chain.run(tx)).status.to_string();
    assert!(text.contains("EPROMPT_EMPTY"), "{text}");
    let tx = chain.call(1, &probe("ask"), vec![bytes(&model()), bytes(&vec![0xFFu8, 0xFE])]);
    assert!(!executed(&chain.run(tx)).status.is_success(), "not UTF-8");
    assert_eq!(chain.engine.jobs().len(), 0);
}

fn unsigned(raw: noema_types::RawTransaction) -> SignedTransaction {
    let sender = AccountAuthenticator::NoAccountAuthenticator;
    SignedTransaction { raw, authenticator: TransactionAuthenticator::SingleSender { sender } }
}

#[test]
fn simulation_predicts_execution_and_changes_nothing() {
    let mut chain = chain_with_probe();
    let raw = chain.raw(1, &probe("ask"), vec![bytes(&model()), bytes(&"hello")]);
    // The simulation runs on the state that the transaction will see: in a block that has started.
    chain.block(vec![]);
    let before = chain.state.clone();
    let (context, answers) = (chain.context(), chain.answers());
    let simulate = |tx: &SignedTransaction, options| chain.vm.simulate(&chain.state, &answers, &context, tx, options);
    let simulated = simulate(&unsigned(raw.clone()), SimulationOptions::default()).expect("runs");
    assert!(simulated.discarded.is_none());
    let valid = simulate(&sign(1, raw.clone()), SimulationOptions::default());
    assert_eq!(valid, Err(SimulateError::ValidSignature));
    let options = SimulationOptions { gas_unit_price: Some(150), estimate_max_gas_amount: true };
    let estimated = simulate(&unsigned(raw.clone()), options).expect("runs");
    assert_eq!(estimated.transaction.raw.gas_unit_price, 150);
    assert_eq!(estimated.transaction.raw.max_gas_amount, Gas(2_000_000));
    assert_eq!(estimated.output.gas_used, simulated.output.gas_used);
    let mut late = raw.clone();
    late.sequence_number = 9;
    let discarded = simulate(&unsigned(late), SimulationOptions::default()).expect("answers");
    assert_eq!(discarded.discarded.expect("discarded").status.number(), 4);
    assert_eq!(chain.state, before);
    assert_eq!(chain.engine.jobs().len(), 1);

    let result = chain.run(sign(1, raw));
    let output = executed(&result);
    assert_eq!(output.gas_used, simulated.output.gas_used);
    assert_eq!(chain.engine.jobs().len(), 1, "execution found the simulation's answer");
}

#[test]
fn views_ask_too_and_only_views_run() {
    let chain = chain_with_probe();
    let (context, answers) = (chain.context(), chain.answers());
    let view = |function: &str, args| {
        let call = entry(function, args);
        chain.vm.view_function(&chain.state, &answers, &context, &call, VIEW_GAS_MAX)
    };
    let output = view(&probe("think"), vec![bytes(&model()), bytes(&"abc")]).expect("runs");
    assert_eq!(output.values, [(bytes(&"cba"), crate::support::tag("0x1::string::String"))]);
    assert!(output.gas_used.0 > 0);
    assert!(matches!(view(&probe("not_a_view"), vec![]), Err(ViewError::NotFound(_))));
    assert!(matches!(view(&probe("bump"), vec![bytes(&1u64)]), Err(ViewError::NotFound(_))));
    assert!(matches!(view("0x1::nowhere::f", vec![]), Err(ViewError::NotFound(_))));
    let wrong = view("0x1::account::exists_at", vec![vec![1]]);
    assert!(matches!(wrong, Err(ViewError::Failed { .. })), "{wrong:?}");
    let missing = view("0x1::account::get_sequence_number", vec![bytes(&noema_types::Address([9; 32]))]);
    let Err(ViewError::Failed { status, .. }) = missing else { panic!("{missing:?}") };
    assert!(status.to_string().contains("EACCOUNT_DOES_NOT_EXIST"), "{status}");
}

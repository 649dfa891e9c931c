//! What is discarded leaves no trace, and says why by number.

use noema_execution_api::{StatusCode, TransactionResult};
use noema_types::{
    AccountAuthenticator, Address, Ed25519Signature, Gas, RawTransaction, Script, SignedTransaction,
    TransactionAuthenticator, TransactionPayload,
};

use crate::support::{BALANCE, Chain, address, bytes, executed, key, sign, succeeded};

fn transfer(chain: &Chain, who: u8) -> RawTransaction {
    chain.raw(who, "0x1::aptos_account::transfer", vec![bytes(&address(7)), bytes(&1u64)])
}

#[track_caller]
fn discarded(chain: &mut Chain, tx: SignedTransaction) -> StatusCode {
    let before = chain.state.clone();
    chain.block(vec![]);
    let empty_block = chain.state.clone();
    chain.state = before;
    chain.height -= 1;
    let result = chain.run(tx);
    assert_eq!(chain.state, empty_block, "no trace");
    match result {
        TransactionResult::Discarded(reason) => {
            assert!(!reason.message.is_empty());
            reason.status
        }
        TransactionResult::Executed(output) => panic!("executed: {}", output.status),
    }
}

#[test]
fn every_rule_has_its_number() {
    let mut chain = Chain::new();
    let check = |chain: &mut Chain, change: &dyn Fn(&mut RawTransaction)| {
        let mut raw = transfer(chain, 1);
        change(&mut raw);
        discarded(chain, sign(1, raw)).number()
    };
    assert_eq!(check(&mut chain, &|raw| raw.sequence_number = 1), 4);
    assert_eq!(check(&mut chain, &|raw| raw.max_gas_amount = Gas(2_000_001)), 13);
    assert_eq!(check(&mut chain, &|raw| raw.max_gas_amount = Gas(1)), 14);
    assert_eq!(check(&mut chain, &|raw| raw.gas_unit_price = 0), 15);
    assert_eq!(check(&mut chain, &|raw| raw.gas_unit_price = 10_000_000_001), 16);
    assert_eq!(check(&mut chain, &|raw| raw.gas_unit_price = BALANCE / 200_000 + 1), 5);
    assert_eq!(check(&mut chain, &|raw| raw.chain_id = noema_types::ChainId(9)), 23);
    assert_eq!(check(&mut chain, &|raw| raw.expiration_timestamp_secs = 1_600_000_000), 6);
    let script = |raw: &mut RawTransaction| {
        raw.payload = TransactionPayload::Script(Script { code: vec![], type_args: vec![], args: vec![] });
    };
    assert_eq!(check(&mut chain, &script), 26);
    let huge = |raw: &mut RawTransaction| {
        let TransactionPayload::EntryFunction(call) = &mut raw.payload else { panic!("a call") };
        call.args = vec![vec![0; 70_000]];
    };
    assert_eq!(check(&mut chain, &huge), 10);
}

#[test]
fn used_sequence_numbers_are_too_old() {
    let mut chain = Chain::new();
    let raw = transfer(&chain, 1);
    let first = sign(1, raw);
    succeeded(&chain.run(first.clone()));
    assert_eq!(discarded(&mut chain, first), StatusCode::SEQUENCE_NUMBER_TOO_OLD);
}

#[test]
fn one_block_runs_a_transaction_once() {
    let mut chain = Chain::new();
    let tx = sign(1, transfer(&chain, 1));
    let results = chain.block(vec![tx.clone(), tx]);
    succeeded(&results[0]);
    assert!(matches!(&results[1], TransactionResult::Discarded(reason) if reason.status.number() == 3));
}

#[test]
fn signatures_and_keys_are_told_apart() {
    let mut chain = Chain::new();
    let raw = transfer(&chain, 1);
    let mut forged = sign(1, raw.clone());
    forged.raw.gas_unit_price += 1;
    assert_eq!(discarded(&mut chain, forged), StatusCode::INVALID_SIGNATURE);
    assert_eq!(discarded(&mut chain, sign(2, raw.clone())), StatusCode::INVALID_AUTH_KEY);
    let nobody = TransactionAuthenticator::SingleSender { sender: AccountAuthenticator::NoAccountAuthenticator };
    let unsigned = SignedTransaction { raw, authenticator: nobody };
    assert_eq!(discarded(&mut chain, unsigned), StatusCode::INVALID_SIGNATURE);
}

#[test]
fn a_sender_without_account_is_refused() {
    let mut chain = Chain::new();
    let raw = transfer(&chain, 100);
    assert_eq!(discarded(&mut chain, sign(100, raw)), StatusCode::SENDING_ACCOUNT_DOES_NOT_EXIST);
}

fn sponsored(raw: RawTransaction, who: u8, payer: u8, named: bool) -> SignedTransaction {
    let authenticator = |who: u8, payer: Address| {
        let message = raw.signing_message_with_data(&[], Some(payer));
        AccountAuthenticator::Ed25519 { public_key: key(who).public(), signature: key(who).sign(&message) }
    };
    let seen_by_sender = if named { address(payer) } else { Address::ZERO };
    let authenticator = TransactionAuthenticator::FeePayer {
        sender: authenticator(who, seen_by_sender),
        secondary_signer_addresses: vec![],
        secondary_signers: vec![],
        fee_payer_address: address(payer),
        fee_payer_signer: authenticator(payer, address(payer)),
    };
    SignedTransaction { raw, authenticator }
}

#[test]
fn somebody_else_may_pay_even_for_a_sender_without_account() {
    for named in [true, false] {
        let mut chain = Chain::new();
        let raw = chain.raw(100, "0x1::aptos_account::create_account", vec![bytes(&Address([5; 32]))]);
        let result = chain.run(sponsored(raw, 100, 2, named));
        let output = succeeded(&result);
        assert_eq!(chain.balance(address(2)), BALANCE - output.gas_used.0 * 100);
        assert_eq!(chain.sequence_number(address(100)), Some(1));
    }
    let mut chain = Chain::new();
    let mut raw = chain.raw(100, "0x1::aptos_account::create_account", vec![bytes(&Address([5; 32]))]);
    raw.sequence_number = 1;
    assert_eq!(discarded(&mut chain, sponsored(raw, 100, 2, true)), StatusCode::SEQUENCE_NUMBER_TOO_NEW);
}

#[test]
fn a_failing_sponsored_transaction_costs_the_sponsor() {
    let mut chain = Chain::new();
    let raw = chain.raw(100, "0x1::aptos_account::transfer", vec![bytes(&address(3)), bytes(&1u64)]);
    let result = chain.run(sponsored(raw, 100, 2, true));
    let output = executed(&result);
    assert!(!output.status.is_success());
    assert_eq!(chain.balance(address(2)), BALANCE - output.gas_used.0 * 100);
    assert_eq!(chain.sequence_number(address(100)), Some(1), "the account was made all the same");
}

#[test]
fn secondary_signers_reach_the_function() {
    let mut chain = crate::chain_with_probe();
    let raw = chain.raw(1, &crate::probe("two_signers"), vec![]);
    let message = raw.signing_message_with_data(&[address(2)], None);
    let authenticator =
        |who: u8| AccountAuthenticator::Ed25519 { public_key: key(who).public(), signature: key(who).sign(&message) };
    let both = |second: u8| TransactionAuthenticator::MultiAgent {
        sender: authenticator(1),
        secondary_signer_addresses: vec![address(2)],
        secondary_signers: vec![authenticator(second)],
    };
    let wrong = SignedTransaction { raw: raw.clone(), authenticator: both(3) };
    assert_eq!(discarded(&mut chain, wrong), StatusCode::INVALID_AUTH_KEY);
    succeeded(&chain.run(SignedTransaction { raw, authenticator: both(2) }));
    assert_eq!(crate::counter(&chain), 1_000);
}

#[test]
fn a_zero_signature_is_never_valid() {
    let mut chain = Chain::new();
    let mut tx = sign(1, transfer(&chain, 1));
    tx.authenticator =
        TransactionAuthenticator::Ed25519 { public_key: key(1).public(), signature: Ed25519Signature([0; 64]) };
    assert_eq!(discarded(&mut chain, tx), StatusCode::INVALID_SIGNATURE);
}

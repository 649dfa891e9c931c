#[test_only]
module matching_round::matching_round_tests;

use aptos_framework::account;
use aptos_framework::aptos_account;
use aptos_framework::aptos_coin::{Self, AptosCoin};
use aptos_framework::coin;
use aptos_framework::genesis;
use aptos_framework::timestamp;
use matching_round::matching_round as round;

const OWNER: address = @0xA0;
const FAUCET: address = @0xFA;

fun signer_of(who: address): signer {
    account::create_signer_for_test(who)
}

fun person(number: u64): address {
    std::address::from_u256(0x1000 + (number as u256))
}

fun receiver(number: u64): address {
    std::address::from_u256(0x2000 + (number as u256))
}

/// A round with a pool of 9,000, three projects, and ten people with 1,000 each.
fun setup(framework: &signer) {
    genesis::setup_for_test(framework, FAUCET);
    let faucet = signer_of(FAUCET);
    aptos_account::create_account(OWNER);
    aptos_coin::mint(&faucet, OWNER, 10_000);
    10u64.do!(|number| {
        aptos_account::create_account(person(number));
        aptos_coin::mint(&faucet, person(number), 1_000);
    });
    let owner = signer_of(OWNER);
    round::open(&owner, 9_000, timestamp::now_seconds() + 60);
    vector[b"wells", b"books", b"trees"].zip_do!(vector[0u64, 1, 2], |name, number| {
        round::add_project(&owner, name.to_string(), receiver(number));
    });
}

fun give(who: u64, project: u64, amount: u64) {
    round::give(&signer_of(person(who)), OWNER, project, amount);
}

fun balances(): vector<u64> {
    std::vector::tabulate!(3, |number| coin::balance<AptosCoin>(receiver(number)))
}

#[test(framework = @0x1)]
fun many_small_gifts_outweigh_a_large_one(framework: &signer) {
    setup(framework);
    // 400 by one, 4 x 100 by four: weights 400 and (4 x 10)^2 = 1600.
    give(0, 0, 400);
    4u64.do!(|who| give(who + 1, 1, 100));
    let matches = round::matches(OWNER);
    // A fifth and four fifths, cut down.
    assert!(matches == vector[1_799, 7_199, 0]);
    assert!(round::leader(OWNER) == option::some(1));
    let (names, gifts) = round::standing(OWNER);
    assert!(names[1] == b"books".to_string() && gifts == vector[400, 400, 0]);
    timestamp::fast_forward_seconds(60);
    round::pay_out(OWNER);
    // What cutting left over is the first project's.
    assert!(round::was_paid_for_test(OWNER, 0, 400, 1_801));
    assert!(round::was_paid_for_test(OWNER, 1, 400, 7_199));
    assert!(round::was_paid_for_test(OWNER, 2, 0, 0));
    assert!(coin::balance<AptosCoin>(receiver(0)) == 2_201 && coin::balance<AptosCoin>(receiver(1)) == 7_599);
}

#[test(framework = @0x1)]
fun two_gifts_of_one_person_are_one(framework: &signer) {
    setup(framework);
    give(0, 0, 50);
    give(0, 0, 50);
    give(1, 1, 100);
    let matches = round::matches(OWNER);
    assert!(matches[0] == matches[1]);
}

#[test(framework = @0x1)]
fun all_that_came_in_goes_out(framework: &signer) {
    setup(framework);
    10u64.do!(|who| give(who, who % 3, 17 * who + 1));
    timestamp::fast_forward_seconds(60);
    round::pay_out(OWNER);
    assert!(balances().fold!(0, |sum, balance| sum + balance) == 9_000 + 17 * 45 + 10);
}

#[test(framework = @0x1)]
fun a_round_without_gifts_is_given_back(framework: &signer) {
    setup(framework);
    assert!(round::matches(OWNER).is_empty() && round::leader(OWNER).is_none());
    timestamp::fast_forward_seconds(60);
    round::pay_out(OWNER);
    assert!(coin::balance<AptosCoin>(OWNER) == 10_000);
}

#[test]
#[expected_failure(abort_code = 0, location = matching_round::matching_round)]
fun nobodys_round() {
    round::matches(OWNER);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 1, location = matching_round::matching_round)]
fun a_second_round(framework: &signer) {
    setup(framework);
    round::open(&signer_of(OWNER), 1, 1);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 2, location = matching_round::matching_round)]
fun no_such_project(framework: &signer) {
    setup(framework);
    give(0, 3, 1);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 3, location = matching_round::matching_round)]
fun gifts_end_at_the_deadline(framework: &signer) {
    setup(framework);
    timestamp::fast_forward_seconds(60);
    give(0, 0, 1);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 4, location = matching_round::matching_round)]
fun nothing_is_paid_before_the_deadline(framework: &signer) {
    setup(framework);
    round::pay_out(OWNER);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 5, location = matching_round::matching_round)]
fun rounds_are_paid_once(framework: &signer) {
    setup(framework);
    timestamp::fast_forward_seconds(60);
    round::pay_out(OWNER);
    round::pay_out(OWNER);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 6, location = matching_round::matching_round)]
fun gifts_of_nothing(framework: &signer) {
    setup(framework);
    give(0, 0, 0);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 6, location = matching_round::matching_round)]
fun gifts_that_are_too_large(framework: &signer) {
    setup(framework);
    give(0, 0, 1 << 40);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 7, location = matching_round::matching_round)]
fun projects_without_names(framework: &signer) {
    setup(framework);
    round::add_project(&signer_of(OWNER), b"".to_string(), OWNER);
}

#[test(framework = @0x1)]
#[expected_failure(abort_code = 7, location = matching_round::matching_round)]
fun too_many_projects(framework: &signer) {
    setup(framework);
    48u64.do!(|_| round::add_project(&signer_of(OWNER), b"more".to_string(), OWNER));
}

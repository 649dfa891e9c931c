/// A round of quadratic funding: everybody gives to projects, and a pool is split among them so that many small gifts
/// weigh more than a large one. A project that got gifts `c1, c2, ..` weighs `(sqrt(c1) + sqrt(c2) + ..)^2`
/// (Buterin, Hitzig, Weyl: A flexible design for funding public goods).
///
/// Square roots and shares are fixed-point numbers, cut down, so that never more is paid out than there is; what cutting
/// leaves goes to the first project.
module matching_round::matching_round;

use std::option::Option;
use std::string::String;
use std::uq64_64::{Self, UQ64_64};
use aptos_std::ordered_map::{Self, OrderedMap};
use aptos_framework::aptos_account;
use aptos_framework::aptos_coin::AptosCoin;
use aptos_framework::coin::{Self, Coin};
use aptos_framework::event;
use aptos_framework::timestamp;

/// The account has no round.
const ENoRound: u64 = 0;
/// The account has a round already.
const ERoundExists: u64 = 1;
/// There is no project of this number.
const ENoSuchProject: u64 = 2;
/// The round has ended.
const EEnded: u64 = 3;
/// The round has not ended.
const ENotEnded: u64 = 4;
/// The pool was paid out.
const EPaidOut: u64 = 5;
/// A gift is above zero and below 2^40, so that sums of roots fit.
const EBadAmount: u64 = 6;
/// A round has at most 50 projects, a name 1 to 100 bytes.
const ETooMany: u64 = 7;

const PROJECTS_MAX: u64 = 50;
const NAME_BYTES_MAX: u64 = 100;
const GIFT_MAX: u64 = 1 << 40;

/// At the account that opened it.
public struct Round has key {
    deadline_seconds: u64,
    pool: Coin<AptosCoin>,
    projects: vector<Project>,
    is_paid_out: bool,
}

/// What people give to.
public struct Project has store {
    name: String,
    receiver: address,
    gifts: OrderedMap<address, u64>,
    held: Coin<AptosCoin>,
}

#[event]
public struct PaidOut has copy, drop, store {
    round: address,
    project: u64,
    given: u64,
    matched: u64,
}

/// Opens a round at the sender, whose coins are the pool.
public entry fun open(owner: &signer, pool: u64, deadline_seconds: u64) {
    assert!(!exists<Round>(std::signer::address_of(owner)), ERoundExists);
    let pool = coin::withdraw<AptosCoin>(owner, pool);
    move_to(owner, Round { deadline_seconds, pool, projects: vector[], is_paid_out: false });
}

/// The owner adds a project.
public entry fun add_project(owner: &signer, name: String, receiver: address) {
    let round = running!(std::signer::address_of(owner));
    assert!(round.projects.length() < PROJECTS_MAX, ETooMany);
    assert!(name.length() > 0 && name.length() <= NAME_BYTES_MAX, ETooMany);
    round.projects.push_back(Project { name, receiver, gifts: ordered_map::new(), held: coin::zero() });
}

/// Gives to a project; more than one gift of one person count as one.
public entry fun give(giver: &signer, round: address, project: u64, amount: u64) {
    let round = running!(round);
    assert!(project < round.projects.length(), ENoSuchProject);
    let project = &mut round.projects[project];
    let giver_address = std::signer::address_of(giver);
    let total = project.gifts.get(&giver_address).destroy_or!(0).saturating_add(amount);
    assert!(amount > 0 && total < GIFT_MAX, EBadAmount);
    project.gifts.upsert(giver_address, total);
    coin::merge(&mut project.held, coin::withdraw<AptosCoin>(giver, amount));
}

/// Pays gifts and shares of the pool out to all projects. Anybody may do it after the deadline; without gifts the owner
/// gets the pool back.
public entry fun pay_out(round: address) {
    let place = round;
    let round = existing!(round);
    assert!(timestamp::now_seconds() >= round.deadline_seconds, ENotEnded);
    assert!(!round.is_paid_out, EPaidOut);
    round.is_paid_out = true;
    let mut matches = shares(&round.projects, coin::value(&round.pool));
    if (matches.is_empty()) {
        aptos_account::deposit_coins(place, coin::extract_all(&mut round.pool));
        return
    };
    // The first project takes what is left at the end.
    matches.reverse();
    let mut number = round.projects.length();
    matches.do!(|matched| {
        number = number - 1;
        let share = if (number == 0) coin::extract_all(&mut round.pool) else coin::extract(&mut round.pool, matched);
        let project = &mut round.projects[number];
        let (given, matched) = (coin::value(&project.held), coin::value(&share));
        let mut all = coin::extract_all(&mut project.held);
        coin::merge(&mut all, share);
        let receiver = project.receiver;
        if (given + matched > 0) aptos_account::deposit_coins(receiver, all) else coin::destroy_zero(all);
        event::emit(PaidOut { round: place, project: number, given, matched });
    });
}

#[view]
/// What each project would get of the pool now; nothing at all if there is no gift.
public fun matches(round: address): vector<u64> {
    let round = existing!(round);
    shares(&round.projects, coin::value(&round.pool))
}

#[view]
/// Names and gifts of all projects.
public fun standing(round: address): (vector<String>, vector<u64>) {
    let round = existing!(round);
    let projects = &round.projects;
    (projects.map_ref!(|project| project.name), projects.map_ref!(|project| coin::value(&project.held)))
}

#[view]
/// The project that would get most, if there is one.
public fun leader(round: address): Option<u64> {
    let matches = matches(round);
    let best = matches.fold!(0, |best, amount| std::u64::max(best, amount));
    matches.find_index!(|amount| *amount == best)
}

/// Splits an amount in proportion to the projects' weights, each share cut down.
fun shares(projects: &vector<Project>, amount: u64): vector<u64> {
    let weights = projects.map_ref!(|project| weight(&project.gifts));
    let total = weights.fold!(0u128, |sum, weight| sum + weight);
    if (total == 0) return vector[];
    weights.map!(|weight| {
        let share = uq64_64::from_quotient(weight, total);
        uq64_64::int_mul(amount as u128, share) as u64
    })
}

/// The square of the sum of the gifts' roots, below 2^128 for up to 2^20 gifts.
fun weight(gifts: &OrderedMap<address, u64>): u128 {
    let mut roots = uq64_64::from_int(0);
    gifts.values().do!(|gift| roots = roots.add(root(gift)));
    // To 24 fractional bits: enough to tell weights apart, few enough to be squared.
    let roots = roots.to_raw() >> 40;
    roots * roots >> 24
}

/// The square root with 32 fractional bits.
fun root(gift: u64): UQ64_64 {
    uq64_64::from_raw((gift as u128 << 64).sqrt() << 32)
}

macro fun existing($round: address): &mut Round {
    let round = $round;
    assert!(exists<Round>(round), ENoRound);
    &mut Round[round]
}

macro fun running($round: address): &mut Round {
    let round = existing!($round);
    assert!(timestamp::now_seconds() < round.deadline_seconds, EEnded);
    round
}

#[test_only]
public fun was_paid_for_test(round: address, project: u64, given: u64, matched: u64): bool {
    event::was_event_emitted(&PaidOut { round, project, given, matched })
}

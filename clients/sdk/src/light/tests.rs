use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use noema_crypto::{BlsKeyPair, CertificateError, aggregate_certificate, sign_checkpoint};
use noema_types::{
    Author, BlsPublicKey, Checkpoint, CommitIndex, Ed25519PublicKey, Height, ProofError, Stake, StateLeaf, TimestampMs,
    ValidatorConfig, ValidatorEntry, ValidatorInfo, ValueProof, Version, WriteOp, WriteSet, goes_right,
    state_node_hash,
};
use proptest::prelude::*;

use super::*;
use crate::{Client, ClientError};

fn bls(epoch: u64, author: u8) -> BlsKeyPair {
    let mut seed = [author; 32];
    seed[0] = u8::try_from(epoch).unwrap();
    BlsKeyPair::from_seed(&seed)
}

/// Four validators with stakes 1 to 4, in every epoch with other checkpoint keys.
fn committee(epoch: u64) -> Committee {
    let validator = |author: u8| ValidatorInfo {
        address: Address([author + 1; 32]),
        stake: Stake(u64::from(author) + 1),
        consensus_key: Ed25519PublicKey([author + 1; 32]),
        network_key: Ed25519PublicKey([author + 101; 32]),
        checkpoint_key: bls(epoch, author).public(),
        network_address: format!("10.0.0.{author}:7000"),
    };
    Committee::new(Epoch(epoch), (0..4).map(validator).collect()).unwrap()
}

fn entry(info: &ValidatorInfo, index: u64) -> ValidatorEntry {
    ValidatorEntry {
        addr: info.address,
        voting_power: info.stake.0,
        config: ValidatorConfig {
            consensus_pubkey: info.consensus_key.0.to_vec(),
            network_pubkey: info.network_key.0.to_vec(),
            checkpoint_pubkey: info.checkpoint_key.0.to_vec(),
            network_addresses: info.network_address.clone().into_bytes(),
            fullnode_addresses: Vec::new(),
            validator_index: index,
        },
    }
}

/// The genesis transaction of a chain whose epoch 1 has [`committee`]`(1)`.
fn genesis() -> Vec<u8> {
    let set = ValidatorSet {
        consensus_scheme: 0,
        active_validators: committee(1).validators().iter().zip(0..).map(|(info, index)| entry(info, index)).collect(),
        pending_inactive: Vec::new(),
        pending_active: Vec::new(),
        total_voting_power: 10,
        total_joining_power: 0,
    };
    let configuration = [1u64.to_le_bytes(), 7u64.to_le_bytes()].concat();
    let write = |bytes: Vec<u8>| WriteOp::Write(bytes.into());
    let values =
        [(ValidatorSet::state_key(), write(bcs::to_bytes(&set).unwrap())), (configuration_key(), write(configuration))];
    let genesis = Genesis { write_set: WriteSet(values.into_iter().collect()), events: Vec::new() };
    bcs::to_bytes(&Transaction::Genesis(genesis)).unwrap()
}

fn chain() -> Hash {
    bcs::from_bytes::<Transaction>(&genesis()).unwrap().hash()
}

/// A state of three values: key and value of each.
fn values() -> Vec<(StateKey, Bytes)> {
    let item = |number: u8| StateKey::TableItem { handle: Address::ONE, key: vec![number] };
    (0..3).map(|number| (item(number), Bytes::from(vec![number; 5]))).collect()
}

fn root(leaves: &[StateLeaf], depth: usize) -> Hash {
    match leaves {
        [] => noema_types::EMPTY_STATE_ROOT,
        [leaf] => leaf.hash(),
        _ => {
            let split = leaves.partition_point(|leaf| !goes_right(&leaf.key, depth));
            state_node_hash(root(&leaves[..split], depth + 1), root(&leaves[split..], depth + 1))
        }
    }
}

fn leaves() -> Vec<StateLeaf> {
    let mut leaves: Vec<_> = values().iter().map(|(key, value)| StateLeaf::new(key.hash(), value)).collect();
    leaves.sort_by_key(|leaf| leaf.key);
    leaves
}

fn prove(key: &StateKey) -> StateProof {
    let (hash, all) = (key.hash(), leaves());
    let (mut rest, mut siblings) = (&all[..], Vec::new());
    while rest.len() > 1 {
        let depth = siblings.len();
        let (left, right) = rest.split_at(rest.partition_point(|leaf| !goes_right(&leaf.key, depth)));
        let (own, other) = if goes_right(&hash, depth) { (right, left) } else { (left, right) };
        siblings.push(root(other, depth + 1));
        rest = own;
    }
    siblings.reverse();
    let value = values().into_iter().find(|(of, _)| of == key).map(|(_, value)| value);
    let neighbour = if value.is_some() { None } else { rest.first().copied() };
    StateProof { value, neighbour, siblings }
}

/// A checkpoint before it is signed.
fn data(epoch: u64, height: u64, next: Option<&Committee>) -> CheckpointData {
    CheckpointData {
        chain: chain(),
        epoch: Epoch(epoch),
        height: Height(height),
        previous: Hash([3; 32]),
        version: Version(height * 2),
        state_root: root(&leaves(), 0),
        accumulator_root: Hash([4; 32]),
        timestamp: TimestampMs(height * 1_000),
        commit_index: CommitIndex(height),
        commit_digest: Hash([5; 32]),
        consensus_state: Hash([6; 32]),
        next_committee: next.map(Committee::hash),
    }
}

/// Signed by these members of the committee of the epoch, whether they are enough or not.
fn sign(data: CheckpointData, signers: &[u8]) -> CertifiedCheckpoint {
    let epoch = data.epoch.0;
    let checkpoint = Checkpoint::V1(data);
    let votes = |authors: &[u8]| -> BTreeMap<_, _> {
        let vote = |author: &u8| (Author(u16::from(*author)), sign_checkpoint(&bls(epoch, *author), &checkpoint));
        authors.iter().map(vote).collect()
    };
    let certificate = match aggregate_certificate(&committee(epoch), &checkpoint, &votes(signers)) {
        Ok(certificate) => certificate,
        Err(CertificateError::NoQuorum { .. }) => noema_types::Certificate {
            signers: vec![signers.iter().map(|author| 1 << author).sum()],
            signature: noema_crypto::aggregate_bls(&votes(signers).into_values().collect::<Vec<_>>()).unwrap(),
        },
        Err(error) => panic!("{error}"),
    };
    CertifiedCheckpoint { checkpoint, certificate }
}

fn certified(epoch: u64, height: u64) -> CertifiedCheckpoint {
    sign(data(epoch, height, None), &[1, 2, 3])
}

fn change(epoch: u64, height: u64) -> EpochChange {
    let next = committee(epoch + 1);
    EpochChange { certified: sign(data(epoch, height, Some(&next)), &[0, 2, 3]), committee: next }
}

#[test]
fn values_are_verified_from_genesis_through_epochs() {
    let mut client = LightClient::from_genesis(&genesis()).unwrap();
    assert_eq!((client.chain(), client.committee(), client.newest()), (chain(), &committee(1), None));
    client.trust(&certified(1, 5)).unwrap();
    client.advance(&change(1, 10)).unwrap();
    client.advance(&change(2, 20)).unwrap();
    assert_eq!((client.epoch(), client.newest().unwrap().data().height), (Epoch(3), Height(20)));
    client.trust(&certified(3, 25)).unwrap();
    client.trust(&certified(3, 22)).unwrap();
    assert_eq!(client.newest().unwrap().data().height, Height(25), "the newest stays");
    for (key, value) in values() {
        assert_eq!(client.verify_value(&certified(3, 25), &key, &prove(&key)).unwrap(), Some(value));
    }
    let absent = StateKey::TableItem { handle: Address::ONE, key: vec![9] };
    assert_eq!(client.verify_value(&certified(3, 25), &absent, &prove(&absent)).unwrap(), None);
}

#[test]
fn a_recent_checkpoint_is_enough() {
    let client = LightClient::from_trusted(certified(4, 40), committee(4)).unwrap();
    assert_eq!((client.chain(), client.epoch()), (chain(), Epoch(4)));
    let end = change(4, 44);
    let mut client = LightClient::from_trusted(end.certified.clone(), end.committee).unwrap();
    let (key, value) = values().remove(0);
    assert_eq!(client.verify_value(&end.certified, &key, &prove(&key)).unwrap(), Some(value), "of the epoch before");
    client.advance(&change(5, 50)).unwrap();
    assert!(matches!(
        LightClient::from_trusted(certified(4, 40), committee(5)),
        Err(LightError::NoEpochEnd { height: Height(40), .. })
    ));
    assert!(matches!(
        LightClient::from_trusted(certified(4, 40), committee(3)),
        Err(LightError::WrongEpoch { expected: Epoch(3), found: Epoch(4), .. })
    ));
    assert!(matches!(
        LightClient::from_trusted(sign(data(4, 40, None), &[0, 1, 2]), committee(4)),
        Err(LightError::Certificate { .. })
    ));
    assert!(matches!(
        LightClient::from_trusted(
            change(4, 44).certified,
            Committee::new(Epoch(5), committee(4).validators().to_vec()).unwrap()
        ),
        Err(LightError::OtherCommittee { height: Height(44), .. })
    ));
}

#[test]
fn every_broken_link_of_checkpoints_is_named() {
    let mut client = LightClient::from_genesis(&genesis()).unwrap();
    let before = client.clone();
    let mut refused = |certified: CertifiedCheckpoint| {
        let error = client.trust(&certified).unwrap_err();
        assert_eq!(client, before, "nothing is remembered");
        error
    };
    let mut foreign = data(1, 5, None);
    foreign.chain = Hash([9; 32]);
    assert!(matches!(refused(sign(foreign, &[1, 2, 3])), LightError::WrongChain { .. }));
    assert!(matches!(
        refused(certified(2, 5)),
        LightError::WrongEpoch { expected: Epoch(1), found: Epoch(2), height: Height(5) }
    ));
    // Stakes 1 + 2 + 3 are six of ten; seven are a quorum.
    assert!(matches!(
        refused(sign(data(1, 5, None), &[0, 1, 2])),
        LightError::Certificate { error: CertificateError::NoQuorum { stake: Stake(6), quorum: Stake(7) }, .. }
    ));
    let mut changed = certified(1, 5);
    let Checkpoint::V1(content) = &mut changed.checkpoint;
    content.state_root = Hash([8; 32]);
    let wrong = |error| matches!(error, LightError::Certificate { error: CertificateError::WrongSignature, .. });
    assert!(wrong(refused(changed)));
    let mut others = certified(1, 5);
    others.certificate.signers = vec![0b1101];
    assert!(wrong(refused(others)));
    let mut stranger = certified(1, 5);
    stranger.certificate.signers = vec![0b1_1110];
    assert!(matches!(
        refused(stranger),
        LightError::Certificate { error: CertificateError::UnknownSigner { author: Author(4), size: 4 }, .. }
    ));
    let mut long = certified(1, 5);
    long.certificate.signers.push(0);
    assert!(matches!(
        refused(long),
        LightError::Certificate { error: CertificateError::BitmapSize { got: 2, expected: 1 }, .. }
    ));
}

#[test]
fn every_broken_link_of_epochs_is_named() {
    let mut client = LightClient::from_genesis(&genesis()).unwrap();
    let before = client.clone();
    let mut refused = |change: EpochChange| {
        let error = client.advance(&change).unwrap_err();
        assert_eq!(client, before, "the epoch stays");
        error
    };
    assert!(matches!(refused(change(2, 20)), LightError::WrongEpoch { expected: Epoch(1), found: Epoch(2), .. }));
    let middle = EpochChange { certified: certified(1, 5), committee: committee(2) };
    assert!(matches!(refused(middle), LightError::NoEpochEnd { height: Height(5), epoch: Epoch(1) }));
    let mut usurped = change(1, 10);
    let mut validators = usurped.committee.validators().to_vec();
    validators[0].stake = Stake(100);
    usurped.committee = Committee::new(Epoch(2), validators).unwrap();
    assert!(matches!(refused(usurped), LightError::OtherCommittee { height: Height(10), .. }));
    let skipping = committee(3);
    let skipped = EpochChange { certified: sign(data(1, 10, Some(&skipping)), &[1, 2, 3]), committee: skipping };
    assert!(matches!(refused(skipped), LightError::WrongEpoch { expected: Epoch(2), found: Epoch(3), .. }));
    let mut unsigned = change(1, 10);
    unsigned.certified = sign(data(1, 10, Some(&unsigned.committee)), &[3]);
    assert!(matches!(refused(unsigned), LightError::Certificate { .. }));
    // The keys of the committee that was: they may be anybody's by now.
    client.advance(&change(1, 10)).unwrap();
    assert!(matches!(client.advance(&change(1, 10)), Err(LightError::WrongEpoch { .. })));
}

#[test]
fn every_broken_link_of_values_is_named() {
    let mut client = LightClient::from_genesis(&genesis()).unwrap();
    let newest = certified(1, 5);
    client.trust(&newest).unwrap();
    let (key, _) = values().remove(1);
    let refused = |change: &dyn Fn(&mut StateProof)| {
        let mut proof = prove(&key);
        change(&mut proof);
        match client.verify_value(&newest, &key, &proof) {
            Err(LightError::Proof { height: Height(5), error }) => error,
            other => panic!("{other:?}"),
        }
    };
    let other = |error| matches!(error, ProofError::OtherRoot { .. });
    assert!(other(refused(&|proof| proof.value = Some(Bytes::from_static(b"loot")))));
    assert!(other(refused(&|proof| proof.value = None)));
    assert!(other(refused(&|proof| proof.siblings[0].0[7] ^= 1)));
    assert!(other(refused(&|proof| _ = proof.siblings.pop())));
    let leaf = StateLeaf::new(key.hash(), b"x");
    assert_eq!(refused(&|proof| proof.neighbour = Some(leaf)), ProofError::ValueAndNeighbour);
    let hide = |proof: &mut StateProof| (proof.value, proof.neighbour) = (None, Some(leaf));
    assert_eq!(refused(&|proof| hide(proof)), ProofError::NeighbourIsKey);
    assert_eq!(
        refused(&|proof| proof.siblings.resize(257, Hash::ZERO)),
        ProofError::TooLong { count: 257, limit: 256 }
    );
    let (another, _) = values().remove(2);
    assert!(matches!(client.verify_value(&newest, &another, &prove(&key)), Err(LightError::Proof { .. })));
    let mut uncertified = newest.clone();
    let Checkpoint::V1(content) = &mut uncertified.checkpoint;
    content.state_root = Hash::ZERO;
    assert!(matches!(client.verify_value(&uncertified, &key, &prove(&key)), Err(LightError::Certificate { .. })));
}

#[test]
fn what_is_no_genesis_is_refused() {
    assert!(matches!(LightClient::from_genesis(&[]), Err(LightError::Decode(_))));
    assert!(matches!(LightClient::from_genesis(&genesis()[1..]), Err(LightError::Decode(_))));
    let without = |key: &StateKey| {
        let Transaction::Genesis(mut genesis) = bcs::from_bytes(&genesis()).unwrap() else { unreachable!() };
        genesis.write_set.0.remove(key);
        LightClient::from_genesis(&bcs::to_bytes(&Transaction::Genesis(genesis)).unwrap()).unwrap_err().to_string()
    };
    assert!(without(&ValidatorSet::state_key()).contains("no 0x1::stake::ValidatorSet"));
    assert!(without(&configuration_key()).contains("no 0x1::reconfiguration::Configuration"));
    let other = bcs::to_bytes(&Transaction::BlockMetadata(noema_types::BlockMetadata {
        id: Hash::ZERO,
        height: Height(1),
        epoch: Epoch(1),
        round: noema_types::Round(1),
        proposer: Address::ONE,
        failed_proposer_indices: Vec::new(),
        previous_block_votes: Vec::new(),
        timestamp_us: 1,
    }));
    assert!(matches!(LightClient::from_genesis(&other.unwrap()), Err(LightError::Genesis { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn mutated_answers_never_panic_and_never_pass(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut client = LightClient::from_genesis(&genesis()).unwrap();
        let mutate = |mut bytes: Vec<u8>| {
            let place = at.index(bytes.len());
            bytes[place] ^= flip;
            bytes
        };
        let honest = change(1, 10);
        if let Ok(mutated) = decode::<EpochChange>("epoch change", &mutate(bcs::to_bytes(&honest).unwrap())) {
            prop_assert!(client.advance(&mutated).is_err());
        }
        if let Ok(mutated) = decode::<CertifiedCheckpoint>("checkpoint", &mutate(bcs::to_bytes(&certified(1, 5)).unwrap())) {
            prop_assert!(client.trust(&mutated).is_err());
        }
        if let Ok(other) = LightClient::from_genesis(&mutate(genesis())) {
            prop_assert_ne!(other.chain(), chain());
        }
        let _ = LightClient::from_genesis(&mutate(genesis())[..at.index(genesis().len())]);
    }
}

/// A node that answers from a table, and everything else with 404.
fn serve(answers: BTreeMap<String, Vec<u8>>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(format!("http://{}/v1", listener.local_addr().unwrap()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert!(headers.iter().any(|line| line.eq_ignore_ascii_case("accept: application/x-bcs")), "{headers:?}");
            let path = request.split(' ').nth(1).unwrap();
            let not_found = br#"{"message":"no","error_code":"not_found","vm_error_code":null}"#.to_vec();
            let (status, body) = answers.get(path).map_or(("404 Not Found", &not_found), |body| ("200 OK", body));
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    client
}

fn proof_path(key: &StateKey, height: u64) -> String {
    let key: String = bcs::to_bytes(key).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/v1/noema/proof?key={key}&height={height}")
}

fn answers(key: &StateKey) -> BTreeMap<String, Vec<u8>> {
    let proof = ValueProof::V1 { height: Height(25), proof: prove(key) };
    BTreeMap::from([
        ("/v1/noema/genesis".to_owned(), genesis()),
        ("/v1/noema/epochs/1".to_owned(), bcs::to_bytes(&change(1, 10)).unwrap()),
        ("/v1/noema/epochs/2".to_owned(), bcs::to_bytes(&change(2, 20)).unwrap()),
        ("/v1/noema/checkpoints/latest".to_owned(), bcs::to_bytes(&certified(3, 25)).unwrap()),
        ("/v1/noema/checkpoints/25".to_owned(), bcs::to_bytes(&certified(3, 25)).unwrap()),
        (proof_path(key, 25), bcs::to_bytes(&proof).unwrap()),
    ])
}

#[test]
fn a_value_is_verified_end_to_end_with_the_genesis_bytes_alone() {
    let (key, value) = values().remove(0);
    let client = serve(answers(&key));
    let verified = verify_value(&client, &genesis(), &key).unwrap();
    let expected =
        VerifiedValue { height: Height(25), version: Version(50), timestamp: TimestampMs(25_000), value: Some(value) };
    assert_eq!(verified, expected);
    assert_eq!(client.genesis().unwrap(), genesis());
    assert_eq!(client.checkpoint(Height(25)).unwrap(), certified(3, 25));
    assert!(matches!(client.checkpoint(Height(26)), Err(error) if error.is_not_found()));
    assert!(matches!(client.certified_block(Height(25)), Err(error) if error.is_not_found()));
    let mut light = LightClient::from_genesis(&genesis()).unwrap();
    light.sync(&client).unwrap();
    light.sync(&client).unwrap();
    assert_eq!((light.epoch(), light.newest()), (Epoch(3), Some(&certified(3, 25))));
    let tag: StructTag = "0x1::coin::Coin".parse().unwrap();
    let resource = StateKey::Resource { address: Address::ONE, tag: tag.clone() };
    let client = serve(answers(&resource));
    assert_eq!(verify_resource(&client, &genesis(), Address::ONE, &tag).unwrap().value, None);
}

#[test]
fn a_lying_node_is_caught() {
    let (key, _) = values().remove(0);
    let lie = |path: &str, body: Vec<u8>| {
        let mut answers = answers(&key);
        answers.insert(path.to_owned(), body).expect("a path that is asked for");
        verify_value(&serve(answers), &genesis(), &key).unwrap_err()
    };
    let bytes = |value: &EpochChange| bcs::to_bytes(value).unwrap();
    assert!(matches!(lie("/v1/noema/epochs/2", bytes(&change(3, 20))), LightError::WrongEpoch { .. }));
    let mut usurped = change(2, 20);
    usurped.committee = committee(7);
    assert!(matches!(lie("/v1/noema/epochs/1", bytes(&usurped)), LightError::WrongEpoch { .. }));
    assert!(matches!(lie("/v1/noema/epochs/2", bytes(&usurped)), LightError::OtherCommittee { .. }));
    let old = bcs::to_bytes(&certified(3, 19)).unwrap();
    assert!(matches!(lie("/v1/noema/checkpoints/latest", old), LightError::Behind { known: Height(20), .. }));
    let ahead = bcs::to_bytes(&certified(4, 40)).unwrap();
    assert!(matches!(lie("/v1/noema/checkpoints/latest", ahead), LightError::WrongEpoch { .. }));
    let path = proof_path(&key, 25);
    let answer = |height: u64, change: &dyn Fn(&mut StateProof)| {
        let mut proof = prove(&key);
        change(&mut proof);
        bcs::to_bytes(&ValueProof::V1 { height: Height(height), proof }).unwrap()
    };
    assert!(matches!(lie(&path, answer(24, &|_| {})), LightError::OtherHeight { found: Height(24), .. }));
    let richer = answer(25, &|proof| proof.value = Some(Bytes::from_static(b"rich")));
    assert!(matches!(lie(&path, richer), LightError::Proof { .. }));
    assert!(matches!(lie(&path, vec![7; 40]), LightError::Client(ClientError::Protocol { .. })));
    // Asked about another chain, it has nothing to offer.
    let Transaction::Genesis(mut other) = bcs::from_bytes(&genesis()).unwrap() else { unreachable!() };
    other.write_set.0.insert(key.clone(), WriteOp::Delete);
    let other = bcs::to_bytes(&Transaction::Genesis(other)).unwrap();
    assert!(matches!(verify_value(&serve(answers(&key)), &other, &key), Err(LightError::WrongChain { .. })));
}

#[test]
fn keys_of_all_epochs_differ() {
    let keys: BTreeSet<BlsPublicKey> =
        (1..5).flat_map(|epoch| (0..4).map(move |author| bls(epoch, author).public())).collect();
    assert_eq!(keys.len(), 16, "else a certificate of one epoch would hold in another");
}

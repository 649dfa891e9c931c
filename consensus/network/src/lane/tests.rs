use proptest::prelude::*;

use super::*;

/// Gives its bytes in pieces of the given sizes.
struct Dribble {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
    turn: usize,
}

impl AsyncRead for Dribble {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let size = this.sizes[this.turn % this.sizes.len()].min(this.bytes.len()).min(buffer.remaining());
        this.turn += 1;
        buffer.put_slice(&this.bytes.drain(..size).collect::<Vec<_>>());
        std::task::Poll::Ready(Ok(()))
    }
}

fn read_all(bytes: Vec<u8>, sizes: Vec<usize>, lane: Lane) -> (Vec<Frame>, LaneError) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut reader = Dribble { bytes, sizes, turn: 0 };
        let mut frames = Vec::new();
        loop {
            let frame = match read_header(&mut reader, lane, &Limits::default()).await {
                Ok(header) => read_payload(&mut reader, header).await,
                Err(error) => Err(error),
            };
            match frame {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, error),
            }
        }
    })
}

fn kind() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let message = prop_oneof![Just(Channel::Blocks), Just(Channel::Checkpoints)];
    prop_oneof![
        (message, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(channel, bytes)| (Kind::Message(channel), bytes)),
        any::<[u8; 8]>().prop_map(|bytes| (Kind::Ping, bytes.to_vec())),
        any::<u8>().prop_map(|byte| (Kind::Goodbye, vec![byte])),
    ]
}

proptest! {
    #[test]
    fn frames_are_read_as_written_in_whatever_pieces(
        frames in prop::collection::vec(kind(), 0..20),
        sizes in prop::collection::vec(1usize..50, 1..10),
    ) {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, payload)| [&Header::encode(*kind, payload.len())[..], payload].concat())
            .collect();
        let (read, end) = read_all(bytes, sizes, Lane::Urgent);
        let written: Vec<_> =
            frames.into_iter().map(|(kind, payload)| Frame { kind, payload: Bytes::from(payload) }).collect();
        prop_assert_eq!(read, written);
        prop_assert!(matches!(end, LaneError::Closed));
    }

    #[test]
    fn any_bytes_are_frames_up_to_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        small: bool,
        lane in 0..Lane::COUNT,
    ) {
        if small {
            // Lengths that are allowed, so that payloads are reached.
            for at in (0..bytes.len()).step_by(9) {
                bytes[at] %= 5;
                for zero in at + 1..(at + 4).min(bytes.len()) {
                    bytes[zero] = 0;
                }
            }
        }
        let total = bytes.len();
        let (frames, _) = read_all(bytes, vec![7], Lane::ALL[lane]);
        prop_assert!(frames.iter().map(|frame| HEADER_BYTES + frame.payload.len()).sum::<usize>() <= total);
    }

    #[test]
    fn mutated_frames_are_frames_up_to_an_error(
        frames in prop::collection::vec(kind(), 1..10),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..5),
    ) {
        let mut bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, payload)| [&Header::encode(*kind, payload.len())[..], payload].concat())
            .collect();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        read_all(bytes, vec![13], Lane::Urgent);
    }

    #[test]
    fn pieces_are_written_as_one(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..90)) {
        let whole = pieces.concat();
        let mut buffer = Pieces(pieces.into_iter().map(Bytes::from).collect());
        prop_assert_eq!(buffer.remaining(), whole.len());
        prop_assert_eq!(&buffer.copy_to_bytes(whole.len())[..], &whole[..]);
    }
}

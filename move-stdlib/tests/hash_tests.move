#[test_only]
module std::hash_tests {
    use std::hash;
    use std::vector;

    /// 200 zeros: more than a block of any function here.
    fun long(): vector<u8> {
        vector::tabulate!(200, |_i| 0)
    }

    #[test]
    fun sha2_512() {
        // FIPS 180-4's example messages.
        assert!(hash::sha2_512(b"abc") == x"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
        assert!(hash::sha2_512(b"") == x"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
        assert!(hash::sha2_512(long()) == x"72686058f765941bfda046f7890a4b70d0c7a40a14baa73ebb1fdcd47cddc9072e5452f183b2f419b471c5b0c7d7ce074bf0b8ed004ebf418c7059737e6c093d");
        assert!(hash::sha2_256(long()) == x"6d9c54dee5660c46886f32d80e57e9dd0ffa57ee0cd2a762b036d9c8e0c3a33a");
    }

    #[test]
    fun sha3_512() {
        // FIPS 202's example messages.
        assert!(hash::sha3_512(b"abc") == x"b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0");
        assert!(hash::sha3_512(b"") == x"a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a615b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26");
        assert!(hash::sha3_512(long()) == x"fee1198b89e041af5a26a217e4217a66c628c78d11c1fbb482b3643153f3cf0c04ae421c7e530e19584a494c1f3bd4713ca169a98b937ddf0b9d4d09fadecde9");
        assert!(hash::sha3_256(long()) == x"2b43036c229ba512995f91fdb46fcd5327a4dc834d86d6e0f58a08053346dc2e");
    }

    #[test]
    fun keccak256() {
        assert!(hash::keccak256(b"") == x"c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert!(hash::keccak256(b"abc") == x"4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    }

    #[test]
    fun blake2b_256() {
        assert!(hash::blake2b_256(b"abc") == x"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
        assert!(hash::blake2b_256(b"") == x"0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
        assert!(hash::blake2b_256(long()) == x"c978e85c0d32724ed4550cc0901a10e5412f3dcf29fd20ffe35a419f097dd113");
    }

    #[test]
    fun ripemd160() {
        // From the function's own publication.
        assert!(hash::ripemd160(b"") == x"9c1185a5c5e9fc54612808977ee8f548b2258d31");
        assert!(hash::ripemd160(b"abc") == x"8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
        assert!(hash::ripemd160(b"message digest") == x"5d0689ef49d2fae572b881b123a85ffa21595f36");
    }

    #[test]
    fun sip_hash() {
        assert!(hash::sip_hash(b"") == 0x1e924b9d737700d7);
        assert!(hash::sip_hash(b"a") != hash::sip_hash(b"b"));
    }
}

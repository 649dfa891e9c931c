//! Writes PNG files whose bytes never change: 8-bit RGB, no filter, nothing compressed.

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// 8 bits a channel, RGB, the only compression, filter set and order there are.
const FORMAT: [u8; 5] = [8, 2, 0, 0, 0];
const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];
const STORED_BYTES_MAX: usize = 65_535;
const CRC_POLYNOMIAL: u32 = 0xedb8_8320;
const ADLER_MODULUS: u32 = 65_521;

/// A PNG file of `width * height * 3` bytes of colours.
pub(super) fn encode(width: u32, height: u32, colours: &[u8]) -> Vec<u8> {
    let row = 3 * width as usize;
    assert_eq!(colours.len(), row * height as usize, "three colours per pixel");
    let mut lines = Vec::with_capacity(colours.len() + height as usize);
    for line in colours.chunks_exact(row) {
        lines.push(0);
        lines.extend_from_slice(line);
    }
    let mut data = ZLIB_HEADER.to_vec();
    let blocks = lines.chunks(STORED_BYTES_MAX);
    let last = blocks.len() - 1;
    for (i, block) in blocks.enumerate() {
        let length = block.len() as u16;
        data.push(u8::from(i == last));
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend_from_slice(block);
    }
    data.extend(adler32(&lines).to_be_bytes());
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend(FORMAT);
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &data);
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend_from_slice(data);
    let sum = crc32(&file[start..]);
    file.extend(sum.to_be_bytes());
}

fn crc32(data: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (value, entry) in (0u32..).zip(&mut table) {
        *entry = (0..8).fold(value, |rest, _| (rest >> 1) ^ if rest & 1 == 1 { CRC_POLYNOMIAL } else { 0 });
    }
    !data.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ table[((crc ^ u32::from(*byte)) & 255) as usize])
}

fn adler32(data: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in data {
        low = (low + u32::from(*byte)) % ADLER_MODULUS;
        high = (high + low) % ADLER_MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_file_is_exactly_these_bytes() {
        let file = encode(1, 1, &[1, 2, 3]);
        let data = [0x78, 1, 1, 4, 0, 251, 255, 0, 1, 2, 3, 0, 14, 0, 7];
        assert_eq!(file[..8], SIGNATURE);
        assert_eq!(file[8..29], *b"\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0");
        assert_eq!(file[33..41], *b"\0\0\0\x0fIDAT");
        assert_eq!(file[41..56], data);
        assert_eq!(file[60..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
        // Two blocks.
        assert_eq!(encode(256, 128, &[7; 256 * 128 * 3]).len(), 8 + 25 + 12 + 2 + 2 * 5 + 128 * 769 + 4 + 12);
    }
}

//! Weights in the order in which products read them.
//!
//! Sixteen rows are a tile. Inside a tile inputs come in pairs: two weights of the first row, two of the second, and so
//! on, then the next pair. A vector of weights so holds one pair of inputs of many rows, a pair of a token's activations
//! is broadcast to it, every lane is the sum of one row, and a tile is read from its first byte to its last. Missing
//! rows and inputs are zeros. The order changes no bit of any result.

use std::marker::PhantomData;

use crate::{Arena, Buffer};

/// Rows of a tile.
pub const TILE_ROWS: usize = 16;
/// Weights of one pair of inputs of a tile.
pub(crate) const PAIR: usize = 2 * TILE_ROWS;

/// A matrix of quantised weights in tiles.
#[derive(Debug)]
pub struct Tiles {
    bytes: Buffer,
    rows: usize,
    inputs: usize,
}

/// Some rows of a matrix with their scales: `scales.len()` rows of `inputs` weights each.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub(crate) tiles: &'a [i8],
    pub(crate) scales: &'a [f32],
    pub(crate) inputs: usize,
}

/// Where a product writes: some columns of a table with a line per token.
#[derive(Debug)]
pub struct Columns<'a> {
    start: *mut f32,
    columns: usize,
    lines: usize,
    stride: usize,
    table: PhantomData<&'a mut [f32]>,
}

impl Tiles {
    /// A matrix of zeros.
    #[must_use]
    pub fn zeros(arena: &mut Arena, rows: usize, inputs: usize) -> Self {
        Self { bytes: arena.take(Self::bytes_of(rows, inputs)), rows, inputs }
    }

    /// A matrix given row after row.
    ///
    /// # Panics
    /// If `weights` is not rows of `inputs` weights.
    #[must_use]
    pub fn of(weights: &[i8], inputs: usize) -> Self {
        assert!(weights.is_empty() || weights.len().is_multiple_of(inputs), "rows are whole");
        let mut tiles = Self::zeros(&mut Arena::default(), weights.len() / inputs.max(1), inputs);
        tiles.put(0, weights);
        tiles
    }

    /// Bytes of a matrix.
    #[must_use]
    pub const fn bytes_of(rows: usize, inputs: usize) -> usize {
        rows.next_multiple_of(TILE_ROWS) * inputs.next_multiple_of(2)
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Weights per row.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Writes weights of consecutive rows; `at` counts weights before them, row after row.
    ///
    /// # Panics
    /// If they are more than the matrix has.
    pub fn put(&mut self, at: usize, weights: &[i8]) {
        assert!(at + weights.len() <= self.rows * self.inputs, "weights are inside the matrix");
        let (mut at, mut rest) = (at, weights);
        while !rest.is_empty() {
            let (row, from) = (at / self.inputs, at % self.inputs);
            let (line, after) = rest.split_at(rest.len().min(self.inputs - from));
            let size = self.inputs.next_multiple_of(2) * TILE_ROWS;
            let tile = &mut self.bytes[row / TILE_ROWS * size..][..size];
            for (input, &weight) in (from..).zip(line) {
                tile[place(row, input)] = weight;
            }
            (at, rest) = (at + line.len(), after);
        }
    }

    /// Copies a row.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not one.
    pub fn copy_row(&self, row: usize, out: &mut [i8]) {
        assert!(row < self.rows && out.len() == self.inputs, "a row of the matrix");
        let tile = &self.bytes[row / TILE_ROWS * (self.inputs.next_multiple_of(2) * TILE_ROWS)..];
        for (input, out) in out.iter_mut().enumerate() {
            *out = tile[place(row, input)];
        }
    }

    /// Rows `start..start + scales.len()` with their scales.
    ///
    /// # Panics
    /// If there are fewer rows, or `start` is inside a tile.
    #[must_use]
    pub fn slice<'a>(&'a self, start: usize, scales: &'a [f32]) -> Rows<'a> {
        assert!(start.is_multiple_of(TILE_ROWS) && start + scales.len() <= self.rows, "rows from a tile's first on");
        let from = Self::bytes_of(start, self.inputs);
        let tiles = &self.bytes[from..from + Self::bytes_of(scales.len(), self.inputs)];
        Rows { tiles, scales, inputs: self.inputs }
    }
}

/// Where a weight is in its tile.
const fn place(row: usize, input: usize) -> usize {
    input / 2 * PAIR + row % TILE_ROWS * 2 + input % 2
}

impl<'a> Rows<'a> {
    /// Tiles, the last of which may have fewer valid rows than 16.
    pub(crate) fn tiles(self) -> impl Iterator<Item = (&'a [i8], &'a [f32])> {
        let size = self.inputs.next_multiple_of(2) * TILE_ROWS;
        self.scales.chunks(TILE_ROWS).enumerate().map(move |(i, scales)| (&self.tiles[i * size..][..size], scales))
    }

    /// The weights of a row, in order.
    pub(crate) fn row(self, row: usize) -> impl Iterator<Item = i8> {
        let size = self.inputs.next_multiple_of(2) * TILE_ROWS;
        let tile = &self.tiles[row / TILE_ROWS * size..][..size];
        let pairs = tile.chunks_exact(PAIR).flat_map(move |pair| [pair[place(row, 0)], pair[place(row, 1)]]);
        pairs.take(self.inputs)
    }
}

#[allow(unsafe_code, reason = "columns of one table, handed to several threads")]
// SAFETY: a value stands for the only mutable borrow of its cells, as `&mut [f32]` does.
unsafe impl Send for Columns<'_> {}

#[allow(unsafe_code, reason = "columns of one table, handed to several threads")]
impl<'a> Columns<'a> {
    /// All columns of a table whose lines hold `columns` values.
    ///
    /// # Panics
    /// If the lines are not whole.
    #[must_use]
    pub fn new(table: &'a mut [f32], columns: usize) -> Self {
        assert!(columns > 0 && table.len().is_multiple_of(columns), "lines are whole");
        let lines = table.len() / columns;
        Self { start: table.as_mut_ptr(), columns, lines, stride: columns, table: PhantomData }
    }

    /// Takes the first columns off.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn split_off(&mut self, columns: usize) -> Self {
        assert!(columns <= self.columns, "columns are inside the table");
        let Self { start, lines, stride, table, .. } = *self;
        // SAFETY: at most one past the end of the first line.
        self.start = unsafe { start.add(columns) };
        self.columns -= columns;
        Self { start, columns, lines, stride, table }
    }

    /// Columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Lines.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.lines
    }

    /// These columns of one line.
    ///
    /// # Panics
    /// If there is no such line.
    pub fn line(&mut self, line: usize) -> &mut [f32] {
        assert!(line < self.lines, "a line of the table");
        // SAFETY: the cells are inside the table, and no other value covers them.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(line * self.stride), self.columns) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_tiles_however_they_were_put() {
        let (rows, inputs) = (35, 7);
        let weights: Vec<i8> = (0..rows * inputs).map(|i| (i * 37 % 255) as u8 as i8).collect();
        let whole = Tiles::of(&weights, inputs);
        let mut pieces = Tiles::zeros(&mut Arena::default(), rows, inputs);
        for (i, piece) in weights.chunks(11).enumerate() {
            pieces.put(i * 11, piece);
        }
        assert_eq!(&*whole.bytes, &*pieces.bytes);
        let scales = vec![1.0; rows];
        for (row, expected) in weights.chunks(inputs).enumerate() {
            let mut line = vec![0; inputs];
            whole.copy_row(row, &mut line);
            assert_eq!(line, expected);
            assert_eq!(whole.slice(0, &scales).row(row).collect::<Vec<_>>(), expected);
        }
        assert_eq!(whole.slice(32, &scales[32..]).row(2).collect::<Vec<_>>(), weights[34 * inputs..]);
        let padding = whole.bytes.iter().map(|&byte| u64::from(byte != 0)).sum::<u64>();
        assert_eq!(padding, weights.iter().map(|&weight| u64::from(weight != 0)).sum());
    }

    #[test]
    fn columns_of_a_table_are_apart() {
        let mut table = vec![0.0; 15];
        let mut rest = Columns::new(&mut table, 5);
        let mut first = rest.split_off(2);
        assert_eq!((first.columns(), rest.columns(), rest.lines()), (2, 3, 3));
        for line in 0..3 {
            first.line(line).fill(1.0);
            rest.line(line).fill(2.0);
        }
        assert_eq!(table, [1.0, 1.0, 2.0, 2.0, 2.0].repeat(3));
    }
}
